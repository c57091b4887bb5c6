"""Blobs and layers may be called anything: every exported form works and gives the weights back."""

import numpy as np
import pytest

from caffeformat import Weights, parse_text, pb
from caffeformat.exchange import module_names, value_graph
from fcnkit.export import files
from fcnkit.images import Preprocessor
from fcnkit.runtimes.onnx_net import to_onnx

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("safetensors")
torchcaffe = pytest.importorskip("torchcaffe")
export = pytest.importorskip("torchcaffe.export")

NAMES = [
    "self", "forward", "training", "class", "None", "torch", "nn", "type", "get_parameter",
    "_modules", "__class__", "a/b", "a.b", "two words", "größe", "数据", "a'b\"c\\", "\n", "1", "",
    "x" * 300, "constant_0", "conv.weight", "/Add_1", "image", "class_map",
]  # fmt: skip


def net_with(blob, layer):
    """A net whose input is called `blob` and whose first layer is called `layer`; its weights."""
    net = pb.NetParameter(name=layer)
    net.layer.add(name="in", type="Input", top=[blob]).input_param.shape.add(dim=[1, 3, 5, 5])
    net.layer.add(name=layer, type="Convolution", bottom=[blob], top=[f"{blob}2"])
    net.layer[-1].convolution_param.num_output = 2
    net.layer[-1].convolution_param.kernel_size.append(3)
    net.layer.add(name="norm", type="BatchNorm", bottom=[f"{blob}2"], top=[layer + "'"])
    net.layer.add(name="relu", type="ReLU", bottom=[layer + "'"], top=[layer + "'"])
    net.layer.add(name="add", type="Eltwise", bottom=[layer + "'", f"{blob}2"], top=["/"])
    net.layer[-1].eltwise_param.coeff.extend([2, 0.5])
    random = np.random.RandomState(0)
    shapes = {layer: [(2, 3, 3, 3), (2,)], "norm": [(2,), (2,), (1,)]}
    weights = Weights(
        (name, [(0.1 + random.rand(*shape)).astype(np.float32) for shape in many])
        for name, many in shapes.items()
    )
    weights["norm"][2][...] = 1  # other forms know mean and variance alone
    return net, weights


@pytest.mark.quick_cases(12)
@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("which", ["blob", "layer"])
def test_any_name_is_exported_and_comes_back(tmp_path, which, name):
    net, weights = net_with(*((name, "conv") if which == "blob" else ("data", name)))
    image = np.random.RandomState(1).standard_normal((1, 3, 5, 5)).astype(np.float32)
    engine_net = torchcaffe.Net(net_param=net, phase=torchcaffe.TEST, weights=weights)
    engine_net.blobs[net.layer[0].top[0]].data[...] = image
    expected = engine_net.forward()["/"]

    with torch.no_grad():
        made = export.to_module(net, weights)(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(made, expected, rtol=1e-5)
    session = onnxruntime.InferenceSession(to_onnx(net, weights).SerializeToString())
    (value,) = session.get_inputs()
    assert value.name.rstrip("_") == net.layer[0].top[0].rstrip("_")
    np.testing.assert_allclose(session.run(["/"], {value.name: image})[0], expected, rtol=1e-5)

    for ending in ("onnx", "pt", "safetensors", "caffemodel"):
        files.write_parameters(tmp_path / f"net.{ending}", net, weights)
        back = files.read_parameters(tmp_path / f"net.{ending}", net)
        assert list(back) == list(weights)
        for layer, blobs in weights.items():
            for one, other in zip(back[layer], blobs):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["image", "class_map", "constant_0"])
def test_preprocessing_and_class_map_beside_blobs_of_their_names(name):
    net, weights = net_with("data", "conv")
    net.layer[-1].top[0] = name
    model = to_onnx(net, weights, preprocessor=Preprocessor([1, 2, 3], 0.5), argmax=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    assert [value.name for value in session.get_inputs()] == ["image"]
    assert [value.name for value in session.get_outputs()] == ["class_map"]
    model = to_onnx(net, weights, preprocessor=Preprocessor([1, 2, 3], 0.5))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (output,) = session.get_outputs()
    assert output.name == (name if name != "image" else "image_")


def test_no_module_hides_what_torch_has_under_its_name():
    net = pb.NetParameter()
    names = set(dir(torch.fx.GraphModule(torch.nn.Module(), torch.fx.Graph())))
    names.discard(torch._C._get_privateuse1_backend_name())  # of a device of the machine's own
    net.layer.add(name="in", type="Input", top=["x"]).input_param.shape.add(dim=[1])
    for name in names:
        net.layer.add(name=name, type="ReLU", bottom=["x"], top=[name])
    given = module_names(value_graph(net)).values()
    assert len(set(given)) == len(names)
    assert not set(given) & set(names)


def test_a_value_in_between_gets_no_other_blobs_name():
    text = """
    layer { name: "in" type: "Input" top: "x" top: "y" input_param { shape { dim: 1 dim: 2 } } }
    layer { name: "a" type: "AbsVal" bottom: "x" top: "z" }
    layer { name: "b" type: "Power" bottom: "z" top: "z" power_param { shift: 1 } }
    layer { name: "c" type: "AbsVal" bottom: "y" top: "z.a" }
    layer { name: "d" type: "Eltwise" bottom: "z" bottom: "z.a" top: "sum" }
    """
    graph = value_graph(parse_text(text, pb.NetParameter))
    made = [name for node in graph.nodes for name in node.outputs]
    assert len(set(made)) == len(made)
