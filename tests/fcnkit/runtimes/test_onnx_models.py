"""ONNX models in place of a net: read by infer, score and preview; hostile files are refused."""

import os

import numpy as np
import pytest
from PIL import Image

from caffeformat import FormatError, InputError, read_caffemodel, read_net, write_caffemodel
from fcnkit import images, runtimes
from fcnkit.commands import infer, score
from fcnkit.commands.main import run_module
from fcnkit.inference import OnnxSegmenter, Segmenter

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
helper = onnx.helper

FLOAT = onnx.TensorProto.FLOAT


def write_model(path, nodes, tensors=(), size=("height", "width"), classes=3, **more):
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("data", FLOAT, ["batch", 3, *size])],
        [helper.make_tensor_value_info("score", FLOAT, ["batch", classes, *size])],
        list(tensors),
    )
    opsets = [helper.make_opsetid("", 18), *more.pop("opsets", ())]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9, **more)
    with open(path, "wb") as file:
        file.write(model.SerializeToString())
    return str(path)


def constant(name, values, dtype=np.float32):
    return onnx.numpy_helper.from_array(np.asarray(values, dtype), name)


COPY = helper.make_node("Identity", ["data"], ["score"])


def coloured(height, width):
    """An image whose class, the largest of blue, green and red, is known, and that class map."""
    classes = np.random.RandomState(height).randint(0, 3, (height, width)).astype(np.uint8)
    bgr = np.eye(3, dtype=np.uint8)[classes] * 200
    return np.ascontiguousarray(bgr[..., ::-1]), classes


def test_infer_and_score_take_a_model(tmp_path, capsys):
    model = write_model(tmp_path / "m.onnx", [COPY])
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    names = tmp_path / "names.txt"
    names.write_text("blue\ngreen\nred\n")
    for number, size in enumerate([(6, 9), (12, 5)]):
        image, classes = coloured(*size)
        Image.fromarray(image).save(tmp_path / "images" / f"{number}.png")
        images.write_label(tmp_path / "labels" / f"{number}.png", classes, np.zeros((256, 3)))
    out = tmp_path / "out"
    given = ["--net", model, "--classes", str(names), "--mean", "1,1,1"]
    assert run_module(infer, [str(tmp_path / "images"), "--output", str(out), *given]) == 0
    for number, size in enumerate([(6, 9), (12, 5)]):
        assert np.array_equal(images.read_label(out / f"{number}.png"), coloured(*size)[1])
    folders = ["--images", str(tmp_path / "images"), "--labels", str(tmp_path / "labels")]
    assert run_module(score, [*folders, *given]) == 0
    assert "pixel accuracy          1.0000" in capsys.readouterr().out
    assert run_module(score, [*folders, *given, "--weights", "w.caffemodel"]) == 1
    assert "an ONNX model holds its weights" in capsys.readouterr().err
    assert run_module(score, [*folders, *given, "--runtime", "openvino"]) == 1
    assert "runs in ONNX Runtime on the CPU alone" in capsys.readouterr().err


def test_two_initializers_of_one_name_are_refused(tmp_path):
    add = helper.make_node("Add", ["data", "b"], ["score"])
    model = write_model(tmp_path / "m.onnx", [add], [constant("b", [1]), constant("b", [2])])
    for read in (OnnxSegmenter, runtimes.read_initializers):
        with pytest.raises(FormatError, match="two of its initializers are called 'b'"):
            read(model)


@pytest.mark.parametrize("text", ["height", "score", "the_name", "Identity", "a key"])
def test_texts_that_are_not_utf_8_are_refused(tmp_path, text, capfd):
    node = helper.make_node("Identity", ["data"], ["score"], name="the_name")
    path = write_model(tmp_path / "m.onnx", [node])
    model = onnx.load(path)
    helper.set_model_props(model, {"a key": "a value"})
    wrong = text[:-2].encode() + b"\xff" + text[-1:].encode()
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString().replace(text.encode(), wrong))
    with pytest.raises(FormatError, match=r"m\.onnx: not an ONNX model that can be read"):
        OnnxSegmenter(path)
    assert capfd.readouterr().out == ""  # ONNX Runtime would say there what it tries next


def test_models_of_one_size_get_windows_of_it(tmp_path):
    model = OnnxSegmenter(write_model(tmp_path / "m.onnx", [COPY], size=(8, 12)))
    for size in ((8, 12), (5, 5), (20, 31)):
        image, classes = coloured(*size)
        assert np.array_equal(model.class_map(image), classes)
        assert model.scores(image).shape == (3, *size)
    assert model.classes(coloured(4, 4)[0]) == 3 and model.note is None


@pytest.mark.parametrize("options", [{}, {"preprocessor": True}, {"argmax": True}])
def test_own_exports_give_the_nets_masks(tmp_path, options):
    net, weights = tmp_path / "net.prototxt", tmp_path / "w.caffemodel"
    net.write_text(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1,3,8,8] } } }'
        'layer { name: "score" type: "Convolution" bottom: "data" top: "score"'
        " convolution_param { num_output: 3 kernel_size: 1 } }"
    )
    random = np.random.RandomState(0)
    blobs = [random.standard_normal((3, 3, 1, 1)), random.standard_normal(3)]
    write_caffemodel(weights, {"score": blobs}, read_net(net))
    prepared = images.Preprocessor([104, 117, 123])
    expected = Segmenter(net, weights, prepared, runtime="torch")
    given = {**options, "preprocessor": prepared if "preprocessor" in options else None}
    model = runtimes.to_onnx(read_net(net), read_caffemodel(weights), **given)
    runtimes.write_onnx(tmp_path / "m.onnx", model)
    made = OnnxSegmenter(tmp_path / "m.onnx", prepared)
    image = random.randint(0, 256, (9, 14, 3)).astype(np.uint8)
    scores, mask = made.segment(image)
    assert np.array_equal(mask, expected.class_map(image))
    assert (scores is None) == ("argmax" in options)
    if scores is None:
        with pytest.raises(InputError, match="is a class map; expected class scores"):
            made.scores(image)
    else:
        assert np.allclose(scores, expected.scores(image), atol=1e-3)


def refused(path, match):
    with pytest.raises(InputError, match=match):
        OnnxSegmenter(path)


@pytest.mark.parametrize("place", ["../secret", "/etc/hostname", "link", "sub/../../secret", ""])
def test_values_outside_the_models_folder_are_not_read(tmp_path, place):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(bytes(4096))
    (folder / "link").symlink_to("../secret")
    tensor = onnx.TensorProto(name="w", dims=[16], data_type=FLOAT, data_location=1)
    tensor.external_data.add(key="location", value=place)
    nodes = [helper.make_node("ReduceSum", ["w"], ["s"]), helper.make_node("Add", ["data", "s"],
             ["score"])]  # fmt: skip
    refused(write_model(folder / "m.onnx", nodes, [tensor]), "outside the model's folder")
    # Within attributes of operators, too
    nodes = [helper.make_node("Constant", [], ["s"], value=tensor), nodes[1]]
    refused(write_model(folder / "m.onnx", nodes), "outside the model's folder")


def test_values_beside_the_model_are_read_if_they_are_there(tmp_path):
    def model(**facts):
        tensor = onnx.TensorProto(name="w", dims=[1, 3, 1, 1], data_type=FLOAT, data_location=1)
        for key, value in facts.items():
            tensor.external_data.add(key=key, value=value)
        node = helper.make_node("Add", ["data", "w"], ["score"])
        return write_model(tmp_path / "m.onnx", [node], [tensor])

    (tmp_path / "w.bin").write_bytes(np.float32([7, 1, 2, 3]).tobytes())
    made = OnnxSegmenter(model(location="w.bin", offset="4", length="12"))
    assert made.scores(np.zeros((2, 2, 3), np.uint8))[:, 0, 0].tolist() == [1, 2, 3]
    refused(model(location="w.bin", offset="8", length="12"), "past the end")
    refused(model(location="w.bin", offset="x", length="12"), "past the end")
    refused(model(location="none.bin"), "there is no such file")


def test_what_may_do_harm_is_refused(tmp_path):
    path = tmp_path / "m.onnx"
    custom = helper.make_node("Run", ["data"], ["score"], domain="my.ops")
    opsets = [helper.make_opsetid("my.ops", 1)]
    refused(write_model(path, [custom], opsets=opsets), "custom operators are not run")
    function = helper.make_function("my.ops", "Run", ["x"], ["y"], [
        helper.make_node("Identity", ["x"], ["y"])], [helper.make_opsetid("", 18)])  # fmt: skip
    refused(write_model(path, [custom], opsets=opsets, functions=[function]), "inline them")
    body = helper.make_graph([], "body", [], [])
    loop = helper.make_node("Loop", ["", ""], ["score"], body=body)
    refused(write_model(path, [loop]), "models with loops are not run")
    huge = constant("many", [1, 3, 1 << 20, 1 << 20], np.int64)
    nodes = [helper.make_node("Expand", ["data", "many"], ["large"], name="e"),
             helper.make_node("Identity", ["large"], ["score"])]  # fmt: skip
    with pytest.raises(InputError, match=r"1x3x1048576x1048576 needs more than"):
        OnnxSegmenter(write_model(path, nodes, [huge])).scores(np.zeros((1, 1, 3), np.uint8))
    for content in (b"", b"\x08", os.urandom(100), b"not a model"):
        path.write_bytes(content)
        with pytest.raises((FormatError, InputError)):
            OnnxSegmenter(path)
    with pytest.raises(InputError, match="no such file"):
        OnnxSegmenter(tmp_path / "none.onnx")


def test_outputs_that_are_no_scores_are_named(tmp_path):
    flat = [helper.make_node("Flatten", ["data"], ["score"])]
    made = OnnxSegmenter(write_model(tmp_path / "m.onnx", flat))
    with pytest.raises(InputError, match="expected 1 x classes x height x width"):
        made.scores(np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(InputError, match="there is no output 'x'; there are score"):
        OnnxSegmenter(tmp_path / "m.onnx", output_blob="x").scores(np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(InputError, match="has no net in an engine"):
        made.engine_net(np.zeros((2, 2, 3), np.uint8))
