"""ONNX models of some sizes and some numbers of images, with images of any."""

import contextlib

import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError
from fcnkit.commands import infer
from fcnkit.commands.main import run_module
from fcnkit.images import Preprocessor, read_label, voc_palette
from fcnkit.inference import Evaluation, OnnxSegmenter, segment_files

onnxruntime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
node = onnx.helper.make_node

FLOAT = onnx.TensorProto.FLOAT
ANY = ("height", "width")


def constant(name, values, dtype=np.float32):
    return onnx.numpy_helper.from_array(np.asarray(values, dtype), name)


def write_model(path, nodes, tensors=(), size=ANY, batch="batch", out=None):
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "net",
        [info("data", FLOAT, [batch, 3, *size])],
        [info("score", FLOAT, out or [batch, 3, *size])],
        list(tensors),
    )
    opsets = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9)
    path.write_bytes(model.SerializeToString())
    return str(path)


def pools(count):
    """`data` halved so many times: nodes and the name of the last value."""
    nodes, last = [], "data"
    for number in range(count):
        nodes.append(
            node("AveragePool", [last], [f"p{number}"], kernel_shape=[2, 2], strides=[2, 2])
        )
        last = f"p{number}"
    return nodes, last


UP = constant("up", np.eye(3)[:, :, None, None] * np.ones((1, 1, 8, 8)))
COPY = [node("Identity", ["data"], ["score"])]


def multiples_of_8():
    """Two branches that are added: the sum exists for multiples of 8 alone."""
    nodes, last = pools(3)
    nodes.append(node("ConvTranspose", [last, "up"], ["u"], kernel_shape=[8, 8], strides=[8, 8]))
    return [*nodes, node("Add", ["data", "u"], ["score"])], [UP]


def cropped_multiples_of_8():
    """The scores have the image's size for multiples of 8 alone."""
    nodes, last = pools(3)
    nodes.append(node("ConvTranspose", [last, "up"], ["score"], strides=[8, 8]))
    return nodes, [UP]


def hidden_multiples_of_8():
    """As `multiples_of_8`, but by way of numbers that no rule of shapes follows."""
    nodes, last = pools(3)
    nodes += [
        node("Shape", [last], ["small"]),
        node("Cast", ["small"], ["numbers"], to=FLOAT),
        node("Mul", ["numbers", "factors"], ["larger"]),
        node("Floor", ["larger"], ["floor"]),
        node("Cast", ["floor"], ["sizes"], to=onnx.TensorProto.INT64),
        node("Resize", [last, "", "", "sizes"], ["u"], mode="nearest"),
        node("Add", ["data", "u"], ["score"]),
    ]
    return nodes, [constant("factors", [1, 1, 8, 8])]


def one_more_than_multiples_of_8():
    """Sides of 8 k + 1, as PSPNet has them."""
    nodes = [
        node("AveragePool", ["data"], ["p"], kernel_shape=[1, 1], strides=[8, 8]),
        node(
            "ConvTranspose", ["p", "up"], ["u"], strides=[8, 8], pads=[0, 0, 7, 7],
        ),
        node("Add", ["data", "u"], ["score"]),
    ]  # fmt: skip
    return nodes, [UP]


def picture(height, width, seed=0):
    random = np.random.RandomState(height * 1000 + width + seed)
    return random.randint(0, 256, (height, width, 3)).astype(np.uint8)


def by_hand(path, image, size):
    """The scores of an image that is padded with the mean colour to `size`."""
    planes = Preprocessor([100, 110, 120])(image)
    padded = np.zeros((1, 3, *size), np.float32)
    padded[:, :, : image.shape[0], : image.shape[1]] = planes
    made = onnxruntime.InferenceSession(path).run(None, {"data": padded})[0]
    return made[0, :, : image.shape[0], : image.shape[1]]


def open_model(path, **options):
    return OnnxSegmenter(path, Preprocessor([100, 110, 120]), **options)


@pytest.mark.parametrize(
    ("make", "extra"),
    [
        (multiples_of_8, 0),
        (cropped_multiples_of_8, 0),
        (hidden_multiples_of_8, 0),
        (one_more_than_multiples_of_8, 1),
    ],
)
def test_sizes_that_a_model_does_not_take_are_padded_to_the_next(tmp_path, capfd, make, extra):
    path = write_model(tmp_path / "m.onnx", *make())
    model = open_model(path)
    for height, width in ((24, 32), (23, 32), (375, 500), (9, 17), (8, 8), (25, 33), (300, 301)):
        image = picture(height, width)
        size = tuple(-(-(side - extra) // 8) * 8 + extra for side in (height, width))
        made = model.scores(image)
        assert np.array_equal(made, by_hand(path, image, size)), (height, width)
        assert np.array_equal(model.class_map(image), made.argmax(0))
        scores, mask = model.segment(image)
        assert np.array_equal(scores, made) and np.array_equal(mask, made.argmax(0))
    assert model.classes(picture(9, 17)) == 3
    assert capfd.readouterr().err == ""  # trials that fail are no news


def test_a_model_of_any_size_gets_images_as_they_are(tmp_path):
    path = write_model(tmp_path / "m.onnx", COPY)
    model = open_model(path)
    for size in ((1, 1), (23, 31), (300, 7)):
        assert np.array_equal(model.scores(picture(*size)), by_hand(path, picture(*size), size))


@pytest.mark.parametrize("size", [(16, "width"), ("height", 16), (16, 16)])
def test_a_stated_side_is_the_only_one(tmp_path, size):
    path = write_model(tmp_path / "m.onnx", COPY, size=size)
    model = open_model(path)
    for height, width in ((16, 16), (5, 9), (40, 40), (16, 50), (50, 16)):
        image = picture(height, width)
        expected = Preprocessor([100, 110, 120])(image)[0]
        assert np.allclose(model.scores(image), expected, atol=1e-4)


def test_a_stated_side_and_multiples_along_the_other(tmp_path):
    path = write_model(tmp_path / "m.onnx", *multiples_of_8(), size=(16, "width"))
    image = picture(13, 21)
    assert np.array_equal(open_model(path).scores(image), by_hand(path, image, (16, 24)))


def test_class_maps_of_other_sizes_are_padded_or_refused(tmp_path):
    nodes, tensors = multiples_of_8()
    nodes[-1].output[0] = "s"
    nodes.append(node("ArgMax", ["s"], ["score"], axis=1, keepdims=0))
    path = tmp_path / "m.onnx"
    write_model(path, nodes, tensors)
    model = onnx.load_model(path)
    kind = model.graph.output[0].type.tensor_type
    kind.elem_type = onnx.TensorProto.INT64
    kind.ClearField("shape")
    path.write_bytes(model.SerializeToString())
    plain = open_model(write_model(tmp_path / "plain.onnx", *multiples_of_8()))
    for size in ((24, 32), (23, 30)):
        scores, mask = open_model(path).segment(picture(*size))
        assert scores is None and np.array_equal(mask, plain.class_map(picture(*size)))
    for value, sides in ((model.graph.input[0], (16, 16)),):
        for dim, side in zip(value.type.tensor_type.shape.dim[2:], sides):
            dim.dim_value = side
    path.write_bytes(model.SerializeToString())
    assert open_model(path).segment(picture(15, 16))[1].shape == (15, 16)
    with pytest.raises(InputError, match="returns class maps, which cannot be averaged"):
        open_model(path).segment(picture(17, 16))


def test_a_model_that_fits_nothing_says_what_it_returns(tmp_path):
    nodes, last = pools(2)
    path = write_model(
        tmp_path / "m.onnx", [*nodes, node("Identity", [last], ["score"])],
        out=["batch", 3, "h", "w"],
    )  # fmt: skip
    with pytest.raises(InputError, match="expected classes x height x width of the image"):
        open_model(path).scores(picture(32, 32))


SHAPES = [(16, 16)] * 3 + [(15, 16)] * 2 + [(30, 20)] * 2


def several(number):
    """One of as many images as there are `SHAPES`, of which the first three are equal."""
    return picture(*SHAPES[number], seed=max(0, number - 2))


def masks_alone(path):
    return [open_model(path).class_map(several(number)) for number in range(len(SHAPES))]


def masks(model):
    images, found = {}, []
    for number in range(len(SHAPES)):
        Image.fromarray(several(number)).save(f"{number}.png")
        images[str(number)] = f"{number}.png"
    made = list(segment_files(model, images, "out", voc_palette()))
    assert not any(result.error for result in made), made
    for name in images:
        found.append(np.array(Image.open(f"out/{name}.png")))
    return found


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_models_for_so_many_images_get_so_many(tmp_path, monkeypatch, batch):
    monkeypatch.chdir(tmp_path)
    path = write_model(tmp_path / "m.onnx", COPY, size=(16, 16), batch=batch)
    expected = masks_alone(path)
    model = open_model(path, evaluation=Evaluation(batch=3))
    assert all(map(np.array_equal, masks(model), expected))
    words = {1: ["one image"], 2: ["2 images"], 4: []}[batch]
    notes = [f"{path}: runs on {word} at a time: that is what it was made for" for word in words]
    assert model.notes == notes


def test_models_that_mix_a_batch_of_a_stated_size_are_refused(tmp_path):
    nodes = [
        node("ReduceMean", ["data", "axes"], ["mean"], keepdims=1),
        node("Sub", ["data", "mean"], ["score"]),
    ]
    path = write_model(tmp_path / "m.onnx", nodes, [constant("axes", [0], np.int64)], batch=4)
    with pytest.raises(InputError, match="batches of 4 images, which change each other's scores"):
        open_model(path).scores(picture(8, 8))


def test_models_that_mix_the_images_of_a_batch_get_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nodes = [
        node("ReduceMean", ["data", "axes"], ["mean"], keepdims=1),
        node("Sub", ["data", "mean"], ["score"]),
    ]
    path = write_model(tmp_path / "m.onnx", nodes, [constant("axes", [0, 2, 3], np.int64)])
    expected = masks_alone(path)
    model = open_model(path, evaluation=Evaluation(batch=3))
    # Images of one content first: they do not show that others would change each other.
    assert all(map(np.array_equal, masks(model), expected))
    assert model.notes == [
        f"{path}: runs on one image at a time: in a batch they change each other's scores"
    ]


def test_models_that_keep_images_apart_get_them_together(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_model(tmp_path / "m.onnx", *multiples_of_8())
    expected = masks_alone(path)
    model = open_model(path, evaluation=Evaluation(batch=2))
    seen, run = [], model._model.run
    model._model.run = lambda data: seen.append(data.shape[0]) or run(data)
    assert all(map(np.array_equal, masks(model), expected))
    assert model.notes == [] and 2 in seen[3:]


def test_the_command_pads_too(tmp_path, capsys):
    path = write_model(tmp_path / "m.onnx", *multiples_of_8())
    Image.fromarray(picture(19, 27)).save(tmp_path / "a.png")
    given = [str(tmp_path / "a.png"), "--net", path, "-o", str(tmp_path / "out"), "--batch", "2"]
    assert run_module(infer, [*given, "--classes", "3", "--mean", "100,110,120"]) == 0
    expected = by_hand(path, picture(19, 27), (24, 32)).argmax(0)
    assert np.array_equal(read_label(tmp_path / "out" / "a.png"), expected)
    for wrong, words in (("0", "--batch"), ("999", "999 images in --batch: expected 1 to 256")):
        given[-1] = wrong
        with contextlib.suppress(SystemExit):
            assert run_module(infer, [*given, "--force"]) == 1
        assert words in capsys.readouterr().err
