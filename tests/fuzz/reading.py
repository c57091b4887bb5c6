"""What the fuzzer calls to read a file, and samples that take more than a few bytes."""

import contextlib
import functools
import os
import tarfile
import tempfile
import zipfile

import numpy as np
import samples
from samples import alone

import caffeformat
from caffeformat import InputError
from fcnkit import data_prep, datasets, images
from fcnkit.data_prep.layouts.coco import annotations, masks
from fcnkit.files import members


def read_database(path, backend):
    """Every key and value of a database, which is the folder of the file at `path`."""
    with caffeformat.open_database(os.path.dirname(path), backend) as database:
        for key, value in database.items():
            assert database.get(key) == value
            with contextlib.suppress(InputError):
                caffeformat.datum_to_array(caffeformat.parse_datum(value, "entry"))


def read_datum(path):
    """An entry of a database, as every user of one takes it."""
    datum = caffeformat.parse_datum(read(path), "entry")
    for color in (None, True, False):
        caffeformat.datum_to_array(datum, color)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def chunks(path):
    yield read(path)


def read_archive(path):
    """All members of an archive, to their ends."""
    for member in members(path):
        if member.is_plain:
            for _ in member.read_chunks():
                pass


def read_image(path):
    """An image as what it may be used for: a photograph, a label, a palette."""
    found = []
    for use in (images.read_rgb, images.read_image, images.read_label, images.palette_from_image):
        try:
            use(path)
        except InputError as error:
            found.append(error)
    if len(found) == 4:
        raise found[0]


def read_palettes(path):
    """A list of classes or colours, as each of the three that read one."""
    refused = 0
    for use in (images.read_palette, images.read_colour_map, images.read_class_names):
        try:
            use(path)
        except InputError as error:
            refused, last = refused + 1, error
    if refused == 3:
        raise last


def read_coco(path):
    """Annotations, and their masks."""
    for image in annotations.read_annotations(chunks(path), "a.json"):
        for _, text in image.objects:
            masks.mask_of(annotations.segmentation_of(text), image.height, image.width, "a")


def segment_onnx(path):
    """An image as `infer --net model.onnx` segments it."""
    from fcnkit.inference import OnnxSegmenter

    model = OnnxSegmenter(path)
    channels = model.form.channels
    values = np.arange(9 * 13 * min(channels, 16)) * 37 % 256
    model.segment(values.reshape(9, 13, -1).astype(np.uint8))


def read_mat(path):
    """A label of the dataset that the file's name says."""
    table = np.zeros(460, np.uint8)
    {
        "sbd.mat": datasets.sbd_label,
        "nyud.mat": datasets.nyud_label,
        "siftflow.mat": datasets.siftflow_label,
        "context.mat": lambda path: datasets.context_label(path, table),
    }[os.path.basename(path)](path)


def read_manifest(path):
    """What a dataset's folder says of itself."""
    folder = datasets.DatasetFolder(os.path.dirname(path))
    assert folder.ignore is not None
    folder.class_pixels("train"), folder.ignored_pixels("val")


def read_solver(path):
    """A solver, with its rates."""
    solver = caffeformat.read_solver(path)
    for iteration in (0, 1, 1000):
        caffeformat.learning_rate(solver, iteration)


def later(module, name):
    """The function `name` of `module`, imported when it is first needed: some load an engine."""

    def call(*arguments):
        __import__(module)
        function = functools.reduce(getattr, name.split("."), __import__("sys").modules[module])
        return function(*arguments)

    return call


def data_layer(kind, param, source):
    """A reader of a data layer's list: the layer in a net, made and run once."""

    def run(path):
        from torchcaffe import TEST, Net

        os.chdir(os.path.dirname(path))
        text = (
            f'layer {{ name: "d" type: "{kind}" top: "data" top: "label" '
            f'{param} {{ source: "{source}" batch_size: 1 }} transform_param {{ crop_size: 4 }} }}'
        )
        net = caffeformat.parse_text(text, caffeformat.pb.NetParameter)
        Net(net_param=net, phase=TEST).forward()

    return run


def prepare(path):
    """A folder of images and what an annotation tool wrote beside them, prepared."""
    folder = os.path.dirname(path)
    options = data_prep.DataOptions(val_percent=0)  # of a single image
    data_prep.prepare_data(folder, os.path.join(folder, "..", "prepared"), options, force=True)


def of_folder(function):
    """A reader that gets the folder of the changed file."""
    return lambda path: function(os.path.dirname(path))


def lmdb(folder):
    with caffeformat.LmdbWriter(folder / "db") as database:
        for i in range(300):
            value = bytes(i % 7 * 40) if i % 50 else bytes(9000)
            database.put(b"%05d_key" % i, value)


def leveldb(folder):
    with caffeformat.LevelDbWriter(folder / "db") as database:
        for i in range(40):
            database.put(b"%05d_key" % i, bytes(i * 30))


def digits_model(folder):
    from digits_folders import train_task, write_job, write_model

    write_model(folder)
    task = train_task(use_mean="pixel", snapshots=[("snapshot_iter_30.caffemodel", 1)])
    write_job(folder, "GenericImageModelJob", tasks=[task], dataset_id="other", _name="job")


def run(folder):
    """An output of `train`."""
    from digits_folders import write_weights

    settings = {"mean": [1, 2.5, 3], "scale": 1.0, "classes": ["a", "b"], "ignore": 255,
                "palette": [[0, 0, 0], [255, 0, 0]]}  # fmt: skip
    (folder / "inference.json").write_text(__import__("json").dumps(settings, indent=1))
    (folder / "solver.prototxt").write_text('snapshot_prefix: "s"\nbase_lr: 1\n')
    (folder / "deploy.prototxt").write_text('name: "n"')
    write_weights(str(folder / "s_iter_1.caffemodel"))
    state = caffeformat.SolverState(1, 0, "s_iter_1.caffemodel", [])
    caffeformat.write_solver_state(folder / "s_iter_1.solverstate", state)


def image_and_lists():
    photo = {"0.png": samples.image("PNG")}
    windows = b"# 0\n0.png\n3\n12\n16\n2\n1 0.9 0 0 8 8\n0 0 2 2 9 9\n"
    return {
        "list": [samples.Sample({"list": b"0.png 0\n0.png 1\n", **photo}, "list")],
        "windows": [samples.Sample({"windows": windows, **photo}, "windows")],
    }


LOG = b"""I0302 23:05:52.660122 17064 solver.cpp:43] Solving tiny
I0302 23:05:53.660122 17064 solver.cpp:239] Iteration 0 (5 iter/s, 0.2s/1 iters), loss = 1.5
I0302 23:05:53.660122 17064 solver.cpp:258]     Train net output #0: loss = 1.5 (* 1 = 1.5 loss)
I0302 23:05:53.660122 17064 sgd_solver.cpp:138] Iteration 0, lr = 0.1
I0302 23:05:54.660122 17064 solver.cpp:347] Iteration 1, Testing net (#0)
I0302 23:05:54.660122 17064 solver.cpp:414]     Test net output #0: accuracy = 0.5
Iteration 1, test scores: pixel accuracy = 0.5, mean IoU = 0.25
"""
NAMES = b"background\naeroplane\nbicycle with a long name\n"
PALETTE = b"# r g b name\n0 0 0 background\n128,0,0\n0 128 0\n224 224 192 ignore\n"
TABLES = [
    b"# label:color_rgb:parts:actions\nbackground:0,0,0::\nperson:128,0,0::\n",
    b"name,r,g,b\nroad,128,64,128\ncar,0,0,142\n",
    b"Pixel Value, Class\n0, background\n1, person\n",
    b"neutral 224 224 192\nroad 128 64 128\ncar 0 0 142\n",
]
PARAM_STR = (
    b'{"source": "x", "split": "train", "batch_size": 4, "crop": [32, 40], "scale": [0.5, 2]}'
)
BERKELEY = b"{'split': 'train', 'mean': (104.0, 116.6, 122.7), 'seed': 1337, 'randomize': True}"
LABELME = {
    "imagePath": "a.png", "imageHeight": 12, "imageWidth": 16, "imageData": None,
    "shapes": [
        {"label": "cat", "shape_type": "polygon", "points": [[1, 1], [9, 1], [9, 9.5]]},
        {"label": "dog", "shape_type": "rectangle", "points": [[2, 3], [8, 9]]},
        {"label": "cat", "shape_type": "circle", "points": [[5, 5], [7, 5]]},
    ],
}  # fmt: skip


def texts(name, *contents):
    return lambda: [alone(name, content) for content in contents]


def archives(*names):
    """Tars of three formats, packed as the names say after they were changed, or before."""
    import bz2
    import gzip
    import lzma

    packs = {
        "tar": bytes,
        "tar.gz": gzip.compress,
        "tar.bz2": bz2.compress,
        "tar.xz": lzma.compress,
    }
    formats = tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT
    found = []
    for name in names:
        for form in formats if name == "tar" else formats[-1:]:
            plain = samples.tar(form)
            found.append(alone(f"a.{name}", plain, packs[name]))
            if name != "tar":
                found.append(alone(f"a.{name}", packs[name](plain)))
    return found


def zips():
    kinds = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA
    return [alone("a.zip", samples.zipped(kind)) for kind in kinds]


@functools.lru_cache(None)
def _page():
    """A preview's page, without its tokens against forged forms."""
    from host_case import Client, ours

    from fcnkit.web.samples import find_score_files

    folder = tempfile.mkdtemp(dir=os.getcwd())
    for sample in samples.scores():
        with open(os.path.join(folder, sample.changed), "wb") as file:
            file.write(sample.files[sample.changed])
    client = Client(find_score_files([folder]), ours(), ["a", "b", "c"])
    client.app.config["WTF_CSRF_ENABLED"] = False
    return client


def forms():
    """What a browser sends from each of the preview's forms: an address, then `name=value`."""
    client = _page()
    model = "view_extension_id=fcn-segmentation\ndataset=0\nimage_path=0\npalette=dataset\n"
    found = [
        f"/models/images/generic/{action}\n{model}background=auto\nimage_list=0\n"
        for action in ("infer_one", "infer_many", "infer_extension")
    ]
    with client.app.test_request_context():
        for key, extension in client.preview.extensions.data.items():
            fields = "".join(f"{field.name}=a.txt\n" for field in extension.get_dataset_form())
            found.append(f"/datasets/generic/new/{key}\n{fields}")
    return [samples.alone("form", text.encode()) for text in found]


def send_form(path):
    """Send a form, whatever its names and values have become; the page answers or refuses."""
    from werkzeug.datastructures import MultiDict

    address, *lines = read(path).decode("utf-8", "replace").split("\n")
    fields = [line.partition("=")[::2] for line in lines if line]
    answer = _page().http.post(
        "/" + address.lstrip("/"), data=MultiDict(fields), content_type="multipart/form-data"
    )
    assert answer.status_code < 500, answer.text[-500:]
    if answer.status_code >= 400:
        raise InputError("refused")
