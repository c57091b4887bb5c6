"""ONNX models of other types and layouts than float32, N x C x H x W."""

import numpy as np
import pytest

from caffeformat import InputError
from fcnkit.images import Preprocessor
from fcnkit.inference import Evaluation, OnnxSegmenter

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
helper, T = onnx.helper, onnx.TensorProto


def write_model(path, nodes, takes, returns, shape=("n", 3, "h", "w"), made=("n", 3, "h", "w")):
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("data", takes, shape)],
        [helper.make_tensor_value_info("score", returns, made)],
    )
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return str(path)


def cast(to, source="data", target="score"):
    return helper.make_node("Cast", [source], [target], to=to)


def coloured(height=6, width=9):
    """An image whose class, the largest of blue, green and red, is known, and that class map."""
    classes = np.random.RandomState(height).randint(0, 3, (height, width)).astype(np.uint8)
    bgr = np.eye(3, dtype=np.uint8)[classes] * 200
    return np.ascontiguousarray(bgr[..., ::-1]), classes


@pytest.mark.parametrize("takes", [T.FLOAT16, T.DOUBLE, T.UINT8, T.UINT16])
@pytest.mark.parametrize("returns", [T.FLOAT, T.FLOAT16, T.UINT8])
def test_scores_of_any_type(tmp_path, takes, returns):
    model = write_model(tmp_path / "m.onnx", [cast(returns)], takes, returns)
    segmenter = OnnxSegmenter(model)
    image, classes = coloured()
    if takes == T.UINT16:
        image = image.astype(np.uint16)
    assert np.array_equal(segmenter.class_map(image), classes)
    assert np.array_equal(segmenter.segment(image)[1], classes)
    assert segmenter.scores(image).dtype == np.float32


def test_whole_numbers_are_not_shifted_nor_scaled(tmp_path):
    model = write_model(tmp_path / "m.onnx", [cast(T.FLOAT)], T.UINT8, T.FLOAT)
    for given in (Preprocessor([104, 117, 123]), Preprocessor(None, 1 / 255)):
        with pytest.raises(InputError, match=r"uint8, whole numbers from 0, .* leave out mean=.*"):
            OnnxSegmenter(model, given)


def test_types_that_no_image_has_are_named(tmp_path):
    model = write_model(tmp_path / "m.onnx", [cast(T.FLOAT)], T.INT64, T.FLOAT)
    with pytest.raises(InputError, match=r"input 'data' is a tensor\(int64\); expected one of"):
        OnnxSegmenter(model)


def test_channels_last_is_refused_with_the_way_out(tmp_path):
    for shape in ((1, "h", "w", 3), ("n", 64, 64, 3), (1, None, None, 1)):
        model = write_model(
            tmp_path / "m.onnx", [cast(T.FLOAT)], T.FLOAT, T.FLOAT, shape, (1, "h", "w", 3)
        )
        with pytest.raises(InputError, match="channels last; expected N x channels x height"):
            OnnxSegmenter(model)


def class_map_of(tmp_path, offset, kind=T.INT64, made=("n", "h", "w")):
    """A model that returns the class of highest value plus `offset`."""
    nodes = [
        helper.make_node("ArgMax", ["data"], ["best"], axis=1, keepdims=0),
        helper.make_node("Constant", [], ["offset"], value_int=offset),
        helper.make_node("Add", ["best", "offset"], ["moved"]),
        cast(kind, "moved"),
    ]
    return OnnxSegmenter(write_model(tmp_path / "m.onnx", nodes, T.FLOAT, kind, made=made))


def test_class_maps_hold_what_bytes_can(tmp_path):
    image, classes = coloured()
    scores, found = class_map_of(tmp_path, 253).segment(image)
    assert scores is None and np.array_equal(found, classes + 253)
    with pytest.raises(InputError, match="class indices from 254 to 256; expected 0 to 255"):
        class_map_of(tmp_path, 254).segment(image)
    with pytest.raises(InputError, match="class indices from -1 to 1; expected 0 to 255"):
        class_map_of(tmp_path, -1, T.INT32).segment(image)


def test_integers_that_are_no_class_map_are_named(tmp_path):
    nodes = [cast(T.INT64)]
    shape = ("n", "c", "h", "w")
    model = write_model(tmp_path / "m.onnx", nodes, T.FLOAT, T.INT64, shape, shape)
    with pytest.raises(InputError, match="it returns 1x3x6x9; expected classes x height x width"):
        OnnxSegmenter(model).segment(coloured()[0])


def test_more_classes_than_a_class_map_holds_are_named(tmp_path):
    nodes = [helper.make_node("Concat", ["data"] * 86, ["score"], axis=1)]
    model = write_model(tmp_path / "m.onnx", nodes, T.FLOAT, T.FLOAT, made=("n", 258, "h", "w"))
    with pytest.raises(InputError, match="258 classes do not fit a class map of bytes"):
        OnnxSegmenter(model).segment(coloured()[0])


def test_probabilities_are_not_taken_for_scores(tmp_path):
    softmax = helper.make_node("Softmax", ["data"], ["share"], axis=1)
    ways = [helper.make_node("Identity", ["share"], ["score"]), cast(T.FLOAT, "share")]
    image = coloured()[0] // 100
    values = np.exp(image.astype(np.float32))
    expected = (values / values.sum(2, keepdims=True)).max(2)
    for way in ways:
        model = write_model(tmp_path / "m.onnx", [softmax, way], T.FLOAT, T.FLOAT)
        for plan in (Evaluation(), Evaluation(flip=True)):
            sure = OnnxSegmenter(model, evaluation=plan).predict(image, confidence=True).confidence
            np.testing.assert_allclose(sure, expected, rtol=1e-5)
    scores = write_model(tmp_path / "m.onnx", [cast(T.FLOAT)], T.FLOAT, T.FLOAT)
    sure = OnnxSegmenter(scores).predict(image, confidence=True).confidence
    np.testing.assert_allclose(sure, expected, rtol=1e-5)
