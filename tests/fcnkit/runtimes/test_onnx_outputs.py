"""Outputs of ONNX models that hold no numbers, and models without any."""

import numpy as np
import pytest

from caffeformat import FormatError, InputError
from fcnkit.runtimes import OnnxSession

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT

TEXTS = (
    helper.make_node("Cast", ["data"], ["score"], to=onnx.TensorProto.STRING),
    helper.make_tensor_value_info("score", onnx.TensorProto.STRING, None),
)
SEQUENCE = (
    helper.make_node("SequenceConstruct", ["data"], ["score"]),
    helper.make_tensor_sequence_value_info("score", FLOAT, None),
)


def model(path, node, *outputs):
    data = helper.make_tensor_value_info("data", FLOAT, [1, 3, "h", "w"])
    graph = helper.make_graph([node], "net", [data], outputs)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.write_bytes(made.SerializeToString())
    return path


@pytest.mark.parametrize(("what", "kind"), [(TEXTS, "tensor.string."), (SEQUENCE, "seq.tensor")])
def test_outputs_that_hold_no_numbers_are_refused(tmp_path, what, kind):
    session = OnnxSession(model(tmp_path / "m.onnx", *what))
    with pytest.raises(InputError, match=rf"m\.onnx: output 'score' is a {kind}.*output_blob"):
        session.run([np.zeros((1, 3, 4, 5), np.float32)])


def test_a_model_without_outputs_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"m\.onnx: .*output"):
        OnnxSession(model(tmp_path / "m.onnx", TEXTS[0]))
