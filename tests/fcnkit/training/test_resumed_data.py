"""A run that stops and continues ends with the unbroken run's weights, whatever layer reads."""

import numpy as np
import pytest
from PIL import Image

from caffeformat import LmdbWriter, array_to_datum, read_caffemodel
from fcnkit import engine
from fcnkit.datasets import SegDataLayer
from fcnkit.training import Recipe, Start, curves, train

pytestmark = pytest.mark.usefixtures("needs_engine")

IMAGES = 7  # no multiple of any batch
BODY = """
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
layer { name: "drop" type: "Dropout" bottom: "ip" top: "ip" }
layer { name: "score" type: "InnerProduct" bottom: "ip" top: "score"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }
"""
PHASES = """
layer {{ name: "data" type: "{type}" top: "data" top: "label" include {{ phase: TRAIN }}
  {transform} {param} {{ {fields} }} }}
layer {{ name: "data" type: "{type}" top: "data" top: "label" include {{ phase: TEST }}
  {transform} {param} {{ {fields} }} }}
"""
RANDOM = "transform_param { mirror: true crop_size: 6 scale: 0.01 }"

# layer type, its field, what it holds, its transform_param
READERS = {
    "Data": ("data_param", 'source: "db" backend: LMDB batch_size: 2 rand_skip: 5', RANDOM),
    "Data in order": ("data_param", 'source: "db" backend: LMDB batch_size: 3', ""),
    "ImageData": ("image_data_param", 'source: "list" batch_size: 3 shuffle: true', RANDOM),
    "ImageData skipping": ("image_data_param", 'source: "list" batch_size: 2 rand_skip: 7', ""),
    "HDF5Data": ("hdf5_data_param", 'source: "files" batch_size: 3 shuffle: true', ""),
    "HDF5Data in order": ("hdf5_data_param", 'source: "files" batch_size: 2', ""),
    "WindowData": (
        "window_data_param",
        'source: "windows" batch_size: 2 fg_fraction: 0.5',
        "transform_param { crop_size: 6 mirror: true }",
    ),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with seven images of 8 x 8 in every form that a layer reads."""
    if engine.name() == "bvlc":
        pytest.skip("tests/bvlc/test_resumed_data.py shows what BVLC Caffe can do")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda *_: None)
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (IMAGES, 3, 8, 8)).astype(np.uint8)
    labels = np.arange(IMAGES) % 3
    windows = []
    with LmdbWriter("db") as database:
        for i, image in enumerate(images):
            database.put(b"%03d" % i, array_to_datum(image, labels[i]).SerializeToString())
            Image.fromarray(image.transpose(1, 2, 0)).save(f"{i}.png")
            corners = "0 0 5 5", "1 1 7 7"
            windows += [f"# {i}", f"{i}.png", 3, 8, 8, 2]
            windows += [f"{labels[i]} {overlap} {box}" for overlap, box in zip((0.9, 0), corners)]
    (tmp_path / "list").write_text("".join(f"{i}.png {labels[i]}\n" for i in range(IMAGES)))
    (tmp_path / "windows").write_text("".join(f"{line}\n" for line in windows))
    h5py = pytest.importorskip("h5py")
    for name, part in ("one.h5", slice(0, 3)), ("two.h5", slice(3, None)):
        with h5py.File(name, "w") as file:
            file["data"], file["label"] = images[part] / 255, labels[part]
    (tmp_path / "files").write_text("one.h5\ntwo.h5\n")
    return tmp_path


def write_run(layers, **fields):
    settings = {
        "net": '"net.prototxt"', "base_lr": 0.05, "lr_policy": '"fixed"', "momentum": 0.9,
        "max_iter": 9, "snapshot": 4, "snapshot_prefix": '"s"', "test_interval": 3, "test_iter": 2,
        "random_seed": 5, "display": 1, **fields,
    }  # fmt: skip
    with open("net.prototxt", "w") as file:
        file.write(layers + BODY)
    with open("solver.prototxt", "w") as file:
        file.writelines(f"{key}: {value}\n" for key, value in settings.items())


def assert_resumed_equals_unbroken(notes=None, **options):
    class Notes(train.__globals__["Observer"]):
        def note(self, text):
            if notes is not None:
                notes.append(text)

    train(Recipe("solver.prototxt"), "unbroken", **options)
    train(Recipe("solver.prototxt", overrides=[("max_iter", "4")]), "broken", **options)
    train(Recipe("solver.prototxt"), "broken", Start(resume=True), observer=Notes(), **options)
    one, other = (read_caffemodel(f"{run}/s_iter_9.caffemodel") for run in ("unbroken", "broken"))
    for name, blobs in one.items():
        for blob, again in zip(blobs, other[name]):
            assert np.array_equal(blob, again), name
    tests = [
        {row["iteration"]: row["test_loss"] for row in curves.parse_log(f"{run}/train.log")
         if "test_loss" in row and row["iteration"] > 4}
        for run in ("unbroken", "broken")
    ]  # fmt: skip
    assert tests[0] == tests[1] and len(tests[0]) >= 2


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("reader", READERS)
def test_layers_of_caffe_go_on_in_their_data(here, reader):
    param, fields, transform = READERS[reader]
    layers = PHASES.format(type=reader.split()[0], param=param, fields=fields, transform=transform)
    write_run(layers, iter_size=2)
    assert_resumed_equals_unbroken()


@pytest.mark.slow
def test_several_readers_and_no_first_test(here):
    param, fields, transform = READERS["ImageData"]
    layers = PHASES.format(type="ImageData", param=param, fields=fields, transform=transform)
    layers += (
        'layer { name: "more" type: "HDF5Data" top: "data2" '
        'hdf5_data_param { source: "other" batch_size: 3 shuffle: true } }\n'
        'layer { name: "quiet" type: "Silence" bottom: "data2" }\n'
    )
    (here / "other").write_text("three.h5\n")
    h5py = pytest.importorskip("h5py")
    with h5py.File("three.h5", "w") as file:
        file["data2"] = np.arange(20.0).reshape(5, 4)
    write_run(layers, test_initialization="false", solver_type="ADAM", momentum2=0.999)
    assert_resumed_equals_unbroken()


def test_a_python_layer_of_the_users_own_is_told_of(here, monkeypatch):
    (here / "own_layers.py").write_text(
        "import numpy as np\nfrom fcnkit import engine\n"
        "class Own(engine.load().Layer):\n"
        "    def setup(self, bottom, top): self.n = 0\n"
        "    def reshape(self, bottom, top):\n"
        "        top[0].reshape(2, 3, 8, 8); top[1].reshape(2)\n"
        "    def forward(self, bottom, top):\n"
        "        top[0].data[...] = self.n; top[1].data[...] = self.n % 3; self.n += 1\n"
        "    def backward(self, *_): pass\n"
    )
    monkeypatch.syspath_prepend(here)
    layers = (
        'layer { name: "own" type: "Python" top: "data" top: "label" '
        'python_param { module: "own_layers" layer: "Own" } }\n'
    )
    write_run(layers)
    notes = []

    class Notes(train.__globals__["Observer"]):
        def note(self, text):
            notes.append(text)

    allowed = {"allow_python": ["own_layers"]}
    train(Recipe("solver.prototxt", overrides=[("max_iter", "4")]), "run", **allowed)
    train(Recipe("solver.prototxt"), "run", Start(resume=True), observer=Notes(), **allowed)
    assert any("layer own starts its data over" in note for note in notes)


def test_a_python_layer_may_skip_batches_itself(here, monkeypatch):
    (here / "skipping_layers.py").write_text(
        "import numpy as np\nfrom fcnkit import engine\n"
        "class Own(engine.load().Layer):\n"
        "    def setup(self, bottom, top): self.n = 0\n"
        "    def skip_batches(self, count): self.n = count\n"
        "    def reshape(self, bottom, top):\n"
        "        top[0].reshape(2, 3, 8, 8); top[1].reshape(2)\n"
        "    def forward(self, bottom, top):\n"
        "        top[0].data[...] = self.n / 9; top[1].data[...] = self.n % 3; self.n += 1\n"
        "    def backward(self, *_): pass\n"
    )
    monkeypatch.syspath_prepend(here)
    write_run(
        'layer { name: "own" type: "Python" top: "data" top: "label" '
        'python_param { module: "skipping_layers" layer: "Own" } }\n'
    )
    notes = []
    assert_resumed_equals_unbroken(notes, allow_python=["skipping_layers"])
    assert not any("starts its data over" in note for note in notes)


@pytest.mark.parametrize("options", [{"seed": 4}, {"randomize": False}])
def test_berkeleys_layers_begin_where_they_are_told(options, tmp_path):
    if engine.name() == "bvlc":
        pytest.skip("BVLC Caffe makes its layers from messages only")
    (tmp_path / "train.txt").write_text("".join(f"{i}\n" for i in range(5)))

    class Numbers(SegDataLayer):
        def open(self, options):
            return str(tmp_path / f"{options['split']}.txt")

        def tops(self):
            return ("data",)

        def load(self, id_):
            return [np.full((1, 1, 1), int(id_))]

    class Top:
        data = np.zeros((1, 1, 1))

        def reshape(self, *shape):
            pass

    def drawn(count, **more):
        layer, top = Numbers(None), Top()
        layer.param_str, layer.name = repr({"split": "train", **options, **more}), "data"
        layer.setup([], [top])
        found = []
        for _ in range(count):
            layer.reshape([], [top])
            layer.forward([], [top])
            found.append(int(top.data[0, 0, 0]))
        return found

    assert drawn(13)[6:] == drawn(7, start=6)
