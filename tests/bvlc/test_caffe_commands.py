"""torchcaffe's commands beside BVLC Caffe's own binaries: files equal, runs that go on, logs."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from own_processes import module
from PIL import Image

from caffeformat import datum_to_array, open_database, pb, read_blob, read_caffemodel

pytest.importorskip("torch")
pytestmark = pytest.mark.bvlc

SOLVERS = {
    "SGD": "momentum: 0.9",
    "Nesterov": "momentum: 0.9",
    "AdaGrad": "",
    "RMSProp": "rms_decay: 0.9",
    "AdaDelta": "momentum: 0.95 delta: 1e-6",
    "Adam": "momentum: 0.9 momentum2: 0.999",
}
FORMS = {"BINARYPROTO": "", "HDF5": ".h5"}
NET = """
name: "tiny"
layer { name: "data" type: "Data" top: "data" top: "label" transform_param { scale: 0.01 }
  include { phase: TRAIN } data_param { source: "leveldb" batch_size: 3 backend: LEVELDB } }
layer { name: "data" type: "Data" top: "data" top: "label" transform_param { scale: 0.01 }
  include { phase: TEST } data_param { source: "lmdb" batch_size: 3 backend: LMDB } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param {
  num_output: 4 kernel_size: 3 stride: 2 weight_filler { type: "bilinear" } } }
layer { name: "tanh" type: "TanH" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param {
  num_output: 3 weight_filler { type: "constant" value: 0.01 } } }
layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = """
net: "net.prototxt" base_lr: 0.01 lr_policy: "step" gamma: 0.5 stepsize: 4 max_iter: 8 snapshot: 4
snapshot_prefix: "run" display: 1 test_iter: 2 test_interval: 4 weight_decay: 0.001
solver_mode: CPU random_seed: 1
"""


def ours(folder, *command):
    """The log of `torchcaffe COMMAND ...`."""
    process = subprocess.run(
        module("torchcaffe", *command),
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    return process.stderr


@pytest.fixture
def either(bvlc):
    """`either(engine, folder, command, ...)`: the log of the command on "bvlc" or "torch"."""

    def run(engine, folder, command, *arguments):
        if engine == "torch":
            return ours(folder, command, *arguments)
        words = ["caffe", command] if command in ("train", "test", "time") else [command]
        return bvlc.run(*words, *arguments, cwd=folder).stdout

    return run


@pytest.fixture
def images(golden, tmp_path):
    """A folder with `images/` of several formats and `list.txt`."""
    shutil.copytree(golden / "files/images", tmp_path / "images")
    rows, columns = np.mgrid[:40, :60]
    noise = np.random.RandomState(0).randint(0, 30, (40, 60, 3))
    pixels = (np.stack([columns * 3, rows * 5, rows + columns], 2) + noise).astype(np.uint8)
    image, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "images/turned.jpg", exif=exif)
    image.save(tmp_path / "images/plain.bmp")
    image.quantize(20).save(tmp_path / "images/palette.png")
    image.convert("L").save(tmp_path / "images/grey.jpg")
    image.convert("RGBA").save(tmp_path / "images/alpha.png")
    names = ["turned.jpg", "plain.bmp", "palette.png", "grey.jpg", "alpha.png", "0.png", "no.png"]
    lines = [f"{name} {number}\n" for number, name in enumerate(names)]
    (tmp_path / "list.txt").write_text("".join(lines))
    return tmp_path


def entries(path, backend="LMDB"):
    with open_database(path, backend) as database:
        return dict(database.items())


@pytest.mark.parametrize("backend", ["lmdb", "leveldb"])
@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["-gray"],
        ["-encoded"],
        ["-encode_type=jpg"],
        ["-encode_type=jpg", "-gray"],
        ["-resize_height=32", "-resize_width=28"],
        ["-resize_height=20", "-resize_width=30", "-gray"],
        ["-resize_height=100", "-resize_width=7", "-encode_type=jpg"],
    ],
    ids="".join,
)
def test_converted_images_are_equal_to_the_byte(either, images, flags, backend):
    for engine in ("bvlc", "torch"):
        flags = [*flags, f"-backend={backend}"]
        either(engine, images, "convert_imageset", *flags, "images/", "list.txt", engine)
    assert entries(images / "torch", backend.upper()) == entries(images / "bvlc", backend.upper())


def test_png_files_hold_the_same_pixels(either, images):
    for engine in ("bvlc", "torch"):
        flags = ["-encode_type=png", "-resize_height=31", "-resize_width=33"]
        either(engine, images, "convert_imageset", *flags, "images/", "list.txt", engine)
    theirs = entries(images / "bvlc")
    for key, value in entries(images / "torch").items():
        pixels = [
            datum_to_array(pb.Datum.FromString(data), color=True) for data in (value, theirs[key])
        ]
        np.testing.assert_array_equal(*pixels)


@pytest.fixture
def run_folder(images):
    """A folder with databases of six images, `net.prototxt` and `solver.prototxt`."""
    (images / "list.txt").write_text("".join(f"{i}.png {i % 3}\n" for i in range(6)))
    for backend in ("lmdb", "leveldb"):
        flags = [f"-backend={backend}", "-resize_height=16", "-resize_width=20"]
        ours(images, "convert_imageset", *flags, "images/", "list.txt", backend)
    (images / "net.prototxt").write_text(NET)
    (images / "solver.prototxt").write_text(SOLVER)
    return images


def test_means_are_equal(either, run_folder):
    tables = {}
    for engine in ("bvlc", "torch"):
        log = either(
            engine, run_folder, "compute_image_mean", "-backend=leveldb", "leveldb", engine
        )
        tables[engine] = re.findall(r"mean_value channel \[\d\]: \S+", log)
    np.testing.assert_array_equal(read_blob(run_folder / "torch"), read_blob(run_folder / "bvlc"))
    assert tables["torch"] == tables["bvlc"]
    assert len(tables["torch"]) == 3


@pytest.mark.parametrize("backend", ["lmdb", "leveldb"])
def test_features_and_scores_agree(either, run_folder, backend):
    either("torch", run_folder, "train", "-solver=solver.prototxt")
    logs = {}
    for engine in ("bvlc", "torch"):
        names = f"{engine}_ip,{engine}_label"
        arguments = ["run_iter_8.caffemodel", "net.prototxt", "ip,label", names, "2", backend]
        either(engine, run_folder, "extract_features", *arguments)
        flags = ["-model=net.prototxt", "-weights=run_iter_8.caffemodel", "-iterations=2"]
        log = either(engine, run_folder, "test", *flags)
        logs[engine] = re.findall(r"\] (?:(Batch \d), )?(\w+)(?: =|:) ([-.e\d]+)", log)
    for name in ("ip", "label"):
        mine, theirs = (
            entries(run_folder / f"{engine}_{name}", backend.upper())
            for engine in ("torch", "bvlc")
        )
        assert list(mine) == list(theirs)
        for key, value in mine.items():
            pair = [datum_to_array(pb.Datum.FromString(data)) for data in (value, theirs[key])]
            np.testing.assert_allclose(*pair, rtol=1e-5, atol=1e-6)
    scores = {
        engine: [entry[:2] for entry in log if entry[1] != "Loss"] for engine, log in logs.items()
    }
    assert scores["torch"][-6:] == scores["bvlc"][-6:]
    numbers = [[float(entry[2]) for entry in log[-7:]] for log in logs.values()]
    np.testing.assert_allclose(*numbers, rtol=1e-4)


def losses(log):
    """{iteration: loss} of the displays in a log."""
    return {int(i): float(x) for i, x in re.findall(r"Iteration (\d+) \(.*loss = (\S+)", log)}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rule", SOLVERS)
@pytest.mark.parametrize(("first", "second"), [("bvlc", "torch"), ("torch", "bvlc")])
def test_run_begun_by_one_command_goes_on_in_the_other(
    either, run_folder, rule, form, first, second
):
    fields = f'{SOLVER} type: "{rule}" snapshot_format: {form} {SOLVERS[rule]}'
    (run_folder / "solver.prototxt").write_text(fields)
    unbroken = losses(either(first, run_folder, "train", "-solver", "solver.prototxt"))
    kept = f"run_iter_8.caffemodel{FORMS[form]}"
    shutil.move(run_folder / kept, run_folder / f"unbroken{FORMS[form]}")
    state = f"run_iter_4.solverstate{FORMS[form]}"
    log = either(second, run_folder, "train", "--solver=solver.prototxt", f"--snapshot={state}")
    resumed = losses(log)
    assert list(unbroken) == list(range(8))
    assert list(resumed) == list(range(4, 8))
    for iteration, loss in resumed.items():
        assert loss == pytest.approx(unbroken[iteration], rel=1e-3)
    weights = read_caffemodel(run_folder / f"unbroken{FORMS[form]}")
    for name, blobs in read_caffemodel(run_folder / kept).items():
        for one, other in zip(blobs, weights[name]):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("command", "source"),
    [
        ("upgrade_net_proto_text", "old_v0.prototxt"),
        ("upgrade_net_proto_text", "old_v1.prototxt"),
        ("upgrade_net_proto_text", "small.prototxt"),
        ("upgrade_net_proto_binary", "small_v1.caffemodel"),
        ("upgrade_net_proto_binary", "small_binaryproto_iter_3.caffemodel"),
        ("upgrade_solver_proto_text", "old_solver.prototxt"),
        ("upgrade_solver_proto_text", "small_solver_hdf5.prototxt"),
    ],
)
def test_upgraded_files_are_equal_to_the_byte(either, golden, tmp_path, command, source):
    shutil.copy(golden / "files" / source, tmp_path)
    for engine in ("bvlc", "torch"):
        either(engine, tmp_path, command, source, engine)
    assert (tmp_path / "torch").read_bytes() == (tmp_path / "bvlc").read_bytes()


def test_net_is_told_in_caffes_lines(either, run_folder):
    """All lines about the train and test nets' layers, but for their times and places."""
    told = {}
    for engine in ("bvlc", "torch"):
        log = either(engine, run_folder, "train", "-solver=solver.prototxt")
        lines = re.findall(r"net\.cpp:\d+\] (.*)", log)
        told[engine] = [line for line in lines if not line.startswith("The NetState")]
    assert told["torch"] == told["bvlc"]


def test_debug_info_tells_the_same_numbers(either, run_folder):
    # At a larger rate the scores saturate: gradients are then what rounding leaves of ones.
    fields = SOLVER.replace("display: 1", "display: 4").replace("base_lr: 0.01", "base_lr: 0.0001")
    fields += "debug_info: true"
    (run_folder / "solver.prototxt").write_text(fields)
    words, numbers, number = [], [], re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
    for engine in ("bvlc", "torch"):
        log = either(engine, run_folder, "train", "-solver=solver.prototxt")
        told = re.findall(r"    \[(?:Forward|Backward)\] .*", log)
        words.append([number.sub("#", line) for line in told])
        numbers.append([float(found) for line in told for found in number.findall(line)])
    assert words[0] == words[1]
    np.testing.assert_allclose(*numbers, rtol=1e-3, atol=1e-7)
