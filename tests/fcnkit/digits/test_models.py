import gc
import gzip
import io
import json
import os
import tarfile
import zipfile

import numpy as np
import pytest
from digits_folders import (
    MEAN,
    pack,
    train_task,
    write_dataset_job,
    write_job,
    write_model,
    write_weights,
)
from PIL import Image
from tiny_segmentation import CLASSES, sample, write_dataset

from caffeformat import InputError, open_database, pb, read_net, read_solver, write_blob
from fcnkit.commands import main
from fcnkit.datasets import open_dataset
from fcnkit.digits import models, open_model
from fcnkit.digits.models import DigitsModel, unpack
from fcnkit.files import members
from fcnkit.images import read_label, read_rgb

pytestmark = pytest.mark.usefixtures("needs_engine")

KINDS = ["tar.gz", "tar.bz2", "tar", "zip"]


def image_and_label(folder):
    image, label = sample(np.random.RandomState(5))
    path = os.path.join(folder, "squares.png")
    Image.fromarray(image).save(path)
    return path, label


def infer(path, model, *more):
    out = os.path.join(os.path.dirname(path), "out")
    command = [path, "-o", out, "--force", "--digits-model", str(model), *more]
    return main.run_module("fcnkit.commands.infer", command), os.path.join(out, "squares.png")


def agree(mask, label):
    known = label != 255
    # Where the squares overlap, a pixel is red and green.
    return (mask == label)[known].mean()


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("kind", KINDS)
def test_a_download_segments_images_unchanged(tmp_path, kind):
    archive = pack(write_model(tmp_path / "model"), tmp_path / f"model.{kind}")
    path, label = image_and_label(tmp_path)
    status, mask = infer(path, archive)
    assert status == 0
    assert agree(read_label(mask), label) > 0.95


@pytest.mark.slow
def test_nothing_is_left_of_an_unpacked_download(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    os.makedirs(tmp_path / "temporary")
    archive = pack(write_model(tmp_path / "model"), tmp_path / "model.zip")
    assert infer(image_and_label(tmp_path)[0], archive)[0] == 0
    assert os.listdir(tmp_path / "temporary") == []


def test_a_downloads_segmenter_is_all_that_has_to_be_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    os.makedirs(tmp_path / "temporary")
    archive = pack(write_model(tmp_path / "model"), tmp_path / "model.zip")
    path, label = image_and_label(tmp_path)
    segmenter = open_model(archive).run.segmenter()
    gc.collect()
    assert agree(segmenter.class_map(read_rgb(path)), label) > 0.95
    del segmenter
    gc.collect()
    assert os.listdir(tmp_path / "temporary") == []


@pytest.mark.slow
def test_a_job_folder_brings_names_and_palette_of_its_dataset(tmp_path):
    write_dataset_job(tmp_path / "20160101-000000-abcd")
    folder = write_model(tmp_path / "20160102-000000-ef01")
    os.remove(os.path.join(folder, "info.json"))
    write_weights(os.path.join(folder, "snapshot_iter_4.caffemodel"))
    write_job(
        folder,
        "GenericImageModelJob",
        dataset_id="20160101-000000-abcd",
        tasks=[train_task(use_mean="pixel", snapshots=[("snapshot_iter_30.caffemodel", 1)])],
    )
    run = DigitsModel(folder).run
    assert run.names == CLASSES
    assert run.palette[:3].tolist() == [[0, 0, 0], [255, 0, 0], [0, 255, 0]]
    assert run.weights.endswith("snapshot_iter_30.caffemodel")
    path, label = image_and_label(tmp_path)
    status, mask = infer(path, folder)
    assert status == 0 and agree(read_label(mask), label) > 0.95
    assert Image.open(mask).getpalette()[3:6] == [255, 0, 0]
    shares = json.loads((tmp_path / "out" / "squares.json").read_text())["classes"]
    assert {entry["name"] for entry in shares} == set(CLASSES)


def test_the_newest_snapshot_is_the_default(tmp_path):
    folder = write_model(tmp_path / "model", **{"snapshot file": None})
    for iteration in (4, 200, 31):
        write_weights(os.path.join(folder, f"snapshot_iter_{iteration}.caffemodel"))
    assert DigitsModel(folder).run.weights.endswith("_200.caffemodel")


@pytest.mark.parametrize(
    "setting, shape, first",
    [("pixel", (3,), 60), ("image", (3, 24, 32), 60), (True, (3, 24, 32), 60), ("none", None, None)]
    + [(False, None, None), (None, (3, 24, 32), 60)],
)
def test_the_mean_is_used_as_set_in_digits(tmp_path, setting, shape, first):
    mean = DigitsModel(write_model(tmp_path, **{"mean subtraction": setting})).run.mean
    if shape is None:
        assert mean is None
    else:
        assert mean.shape == shape and mean[0].flat[0] == first


def test_labels_txt_names_the_classes(tmp_path):
    folder = write_model(tmp_path, **{"labels file": "labels.txt"})
    (tmp_path / "labels.txt").write_text("sky\nsea\nsand\n")
    assert DigitsModel(folder).run.names == ["sky", "sea", "sand"]


def test_info_json_cannot_point_out_of_the_model(tmp_path):
    (tmp_path / "secret.caffemodel").write_bytes(b"x")
    folder = write_model(tmp_path / "m", **{"snapshot file": "../secret.caffemodel"})
    assert DigitsModel(folder).run.weights.endswith("snapshot_iter_30.caffemodel")


@pytest.mark.parametrize(
    "change, words",
    [
        ({"framework": "torch"}, "model for torch"),
        ({"remove": "deploy.prototxt"}, "no deploy.prototxt"),
        ({"remove": "snapshot_iter_30.caffemodel"}, "snapshot_iter_<n>"),
        ({"remove": "mean.binaryproto"}, "no mean.binaryproto"),
    ],
)
def test_what_is_missing_is_named(tmp_path, change, words):
    missing = change.pop("remove", None)
    folder = write_model(tmp_path, **change)
    if missing:
        os.remove(os.path.join(folder, missing))
    with pytest.raises(InputError, match=words):
        DigitsModel(folder)


def test_other_folders_and_archives_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected a DIGITS model"):
        DigitsModel(tmp_path / "empty")
    (tmp_path / "info.json").write_text("[1]")
    with pytest.raises(InputError, match="JSON object"):
        DigitsModel(tmp_path)


@pytest.mark.slow
def test_a_download_is_trained_on_and_resumed(tmp_path, capsys):
    write_dataset_job(tmp_path / "data")
    archive = pack(write_model(tmp_path / "model"), tmp_path / "model.tar.gz")
    command = ["--digits-model", archive, "--data", str(tmp_path / "data")]
    command += ["-o", str(tmp_path / "run")]
    assert main.run_module("fcnkit.commands.train", [*command, "--iterations", "2"]) == 0
    assert (tmp_path / "run" / "snapshot_iter_2.caffemodel").exists()
    first = (tmp_path / "run" / "train.log").read_text()
    # The weights in the download already distinguish red from green.
    assert "accuracy = 1" in first or "accuracy = 0.9" in first
    os.remove(archive)
    assert main.run_module("fcnkit.commands.train", [*command, "--resume"]) == 0
    assert (tmp_path / "run" / "snapshot_iter_4.caffemodel").exists()
    assert main.run_module("fcnkit.commands.train", command) == 1
    assert "--resume" in capsys.readouterr().err


@pytest.mark.slow
def test_a_download_is_scored_on_the_databases_of_digits(tmp_path, capsys):
    write_dataset_job(tmp_path / "data")
    archive = pack(write_model(tmp_path / "model"), tmp_path / "model.zip")
    command = ["--digits-model", archive, "--data", str(tmp_path / "data")]
    assert main.run_module("fcnkit.commands.score", [*command, "--json", str(tmp_path / "s")]) == 0
    assert json.loads((tmp_path / "s").read_text())["pixel_accuracy"] > 0.95
    assert "green" in capsys.readouterr().out
    assert main.run_module("fcnkit.commands.score", [*command, "--run", "x"]) == 1
    assert "two networks" in capsys.readouterr().err


def test_training_files_name_no_path_of_the_other_machine(tmp_path):
    model = DigitsModel(write_model(tmp_path / "model"))
    net = read_net(read_solver(model.write_training(str(tmp_path / "texts"))).net)
    data = [layer for layer in net.layer if layer.type == "Data"]
    assert [layer.data_param.source for layer in data] == [""] * 4
    means = {layer.transform_param.mean_file for layer in data} - {""}
    assert means == {str(tmp_path / "model" / "mean.binaryproto")}


def test_a_mean_file_that_holds_no_image_is_named(tmp_path):
    folder = write_model(tmp_path / "model")
    info = json.loads((tmp_path / "model" / "info.json").read_text())
    (tmp_path / "model" / "labels.txt").write_text("104 117 123\n")
    info["mean file"], info["mean subtraction"] = "labels.txt", "pixel"
    (tmp_path / "model" / "info.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match="labels"):
        DigitsModel(folder)
    write_blob(tmp_path / "model" / "mean.binaryproto", np.zeros((3, 8)))
    info["mean file"] = "mean.binaryproto"
    (tmp_path / "model" / "info.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match=r"mean\.binaryproto: expected a mean image"):
        DigitsModel(folder)


# --- untrusted archives -------------------------------------------------------------------


def tar(path, *entries):
    """A tar of (name, content or size) and TarInfo."""
    with tarfile.open(path, "w") as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
                continue
            info = tarfile.TarInfo(entry[0])
            info.size = len(entry[1])
            archive.addfile(info, io.BytesIO(entry[1]))
    return str(path)


def link(name, target, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "entries",
    [
        [("../info.json", b"{}")],
        [("/tmp/info.json", b"{}")],
        [("a/../../info.json", b"{}")],
        [link("info.json", "/etc/passwd", tarfile.SYMTYPE)],
        [link("info.json", "/etc/passwd", tarfile.LNKTYPE)],
        [link("info.json", "", tarfile.FIFOTYPE)],
        [("info.json", b"{}"), ("info.json", b"[]")],
        [link("a", "..", tarfile.SYMTYPE), ("a/info.json", b"{}")],
    ],
)
def test_hostile_archives_are_refused_and_write_nothing_outside(tmp_path, entries):
    folder = tmp_path / "deep" / "into"
    folder.mkdir(parents=True)
    path = tar(tmp_path / "model.tar", *entries)
    with pytest.raises(InputError):
        unpack(members(path), folder)
    assert sorted(os.listdir(tmp_path)) == ["deep", "model.tar"]
    assert os.listdir(tmp_path / "deep") == ["into"]
    assert all(not os.path.islink(folder / name) for name in os.listdir(folder))


def test_bombs_are_refused_before_they_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "MAX_BYTES", 1 << 20)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("info.json", b"{}")
        archive.writestr("snapshot_iter_1.caffemodel", bytes(2 << 20))
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="refused"):
        unpack(members(path), tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["info.json"]
    monkeypatch.setattr(models, "MAX_FILES", 3)
    path = tar(tmp_path / "many.tar", *((f"{i}.txt", b"") for i in range(5)))
    with pytest.raises(InputError, match="refused"):
        unpack(members(path), tmp_path)


def test_headers_that_fill_the_memory_are_refused(tmp_path):
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 1 << 40
    path = tmp_path / "model.tar.gz"
    with gzip.open(path, "wb") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    with pytest.raises(InputError, match="extended header of"):
        unpack(members(path), tmp_path)


def test_files_that_do_not_belong_to_a_model_stay_in_the_archive(tmp_path):
    path = tar(tmp_path / "model.tar", ("run.sh", b"x"), ("a/info.json", b"{}"))
    (tmp_path / "out").mkdir()
    unpack(members(path), tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["a"]


# --- databases --------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["png", "raw", "jpeg"])
def test_databases_of_digits_are_datasets_here(tmp_path, encoding):
    pairs = write_dataset_job(tmp_path, encoding)
    for split, expected in pairs.items():
        with open_dataset(tmp_path, split) as found:
            assert len(found) == len(expected)
            assert found.classes == CLASSES
            assert found.palette[1].tolist() == [255, 0, 0]
            for i, (image, label) in enumerate(expected):
                np.testing.assert_array_equal(found.label(i), label)
                # The image is noise, which JPEG keeps on average only.
                difference = np.abs(found.image(i).astype(int) - image).mean()
                assert difference <= (25 if encoding == "jpeg" else 0)


def test_a_damaged_job_still_gives_its_images(tmp_path):
    write_dataset_job(tmp_path)
    (tmp_path / "status.pickle").write_bytes(b"(lp0\nI1")
    with open_dataset(tmp_path, "train") as found:
        assert len(found) == 4 and found.classes is None


@pytest.mark.slow
def test_the_mean_beside_a_database_of_digits_is_read(tmp_path):
    write_dataset_job(tmp_path / "data")
    path, label = image_and_label(tmp_path)
    mean = str(tmp_path / "data" / "train_db" / "mean.binaryproto")
    folder = write_model(tmp_path / "model", **{"mean subtraction": "none"})
    status, mask = infer(path, folder, "--mean", mean)
    assert status == 0 and agree(read_label(mask), label) > 0.95


@pytest.mark.parametrize("encoding", ["png", "raw"])
def test_our_databases_are_as_digits_writes_them(tmp_path, encoding):
    data = write_dataset(tmp_path / "folders")
    out = str(tmp_path / "out")
    command = [data, out, "--encoding", encoding, "--label-encoding", encoding, "--workers", "1"]
    assert main.run_module("fcnkit.commands.create_lmdb", [*command, "--same-shape"]) == 0
    for split, count in (("train", 8), ("val", 3)):
        for kind, channels in (("features", 3), ("labels", 1)):
            with open_database(os.path.join(out, f"{split}_db", kind)) as database:
                assert list(database.keys()) == [b"%09d" % i for i in range(count)]
                for i, (_, content) in enumerate(database.items()):
                    datum = pb.Datum.FromString(content)
                    shape = (datum.channels, datum.height, datum.width)
                    assert shape == (channels, 24, 32)
                    assert datum.encoded == (encoding == "png") and datum.label == 0
                    folder = "images" if kind == "features" else "labels"
                    stored = os.path.join(data, split, folder, f"{split}_{i}.png")
                    assert _as_digits_reads(datum) == np.asarray(Image.open(stored)).tolist()
    blob = pb.BlobProto.FromString((tmp_path / "out" / "mean.binaryproto").read_bytes())
    assert [blob.num, blob.channels, blob.height, blob.width] == [1, 3, 24, 32]


def _as_digits_reads(datum):
    """Nested lists of a Datum's pixels, decoded as DIGITS' explorer does: RGB or indices."""
    if datum.encoded:
        image = Image.open(io.BytesIO(datum.data))
        assert image.mode in ("RGB", "L")
        return np.asarray(image).tolist()
    planes = np.frombuffer(datum.data, np.uint8)
    planes = planes.reshape(datum.channels, datum.height, datum.width)
    return (planes[0] if datum.channels == 1 else planes[::-1].transpose(1, 2, 0)).tolist()


def test_the_mean_is_in_the_order_of_the_net_s_channels(tmp_path):
    assert DigitsModel(write_model(tmp_path)).run.mean.tolist() == list(MEAN)
