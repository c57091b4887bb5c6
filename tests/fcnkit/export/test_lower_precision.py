"""Networks of the zoo in 8-bit integers and in half precision, with free and with fixed sizes."""

import importlib.util
import os

import numpy as np
import pytest
from other_runtimes import RUNTIMES
from places import REPO

from caffeformat import Weights, read_net
from fcnkit import export
from fcnkit.nets import net_parameters
from fcnkit.runtimes import OnnxSession
from fcnkit.surgery import fold_batch_norm

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

# Two of VGG's kind, one with BatchNorm; residual blocks, inception, a pyramid, and padded pooling.
NAMES = ("shapes_fcn8s", "fcn_camvid", "fcn_resnet_50", "voc_fcn_googlenet", "pspnet_50",
         "fcn_alexnet")  # fmt: skip

FREE = {"pspnet_50": (233, 233)}  # a size for a free model; its pyramid needs so much


def weights_of(net):
    """Random weights that keep the scale of activations, as trained ones do."""
    random = np.random.RandomState(0)
    weights = Weights()
    for layer, parameters in net_parameters(net):
        drawn = [random.standard_normal(1 << 16).astype(np.float32) for _ in parameters]
        blobs = [np.resize(values, each.shape) for values, each in zip(drawn, parameters)]
        for blob in blobs:
            if blob.ndim > 1:
                blob *= np.float32(np.sqrt(2 / np.prod(blob.shape[1:])))
        if layer.type == "BatchNorm":
            # Twice the deviation: a sum of a block's two branches is hardly larger than one.
            _mean, variance, factor = blobs
            variance[...], factor[...] = 4 + np.abs(variance), 1
        weights[layer.name], weights.types[layer.name] = blobs, layer.type
    return weights


def made(name, folder, size=None):
    """(float32, int8 and float16 models of a network, two inputs)."""
    net = export.deployed(read_net(f"{REPO}/prototxt/{name}/deploy.prototxt"))
    net, weights = fold_batch_norm(net, weights_of(net))
    paths = [str(folder / f"{kind}.onnx") for kind in ("float32", "int8", "half")]
    export.write_parameters(paths[0], net, weights, size=size)
    random = np.random.RandomState(1)
    height, width = size or FREE.get(name, (97, 129))
    inputs = [
        (random.standard_normal((1, 3, height, width)) * 60).astype(np.float32) for _ in range(2)
    ]
    export.to_int8(paths[0], paths[1], iter(inputs))
    export.to_half(paths[0], paths[2], iter(inputs))
    return paths, inputs


@pytest.mark.parametrize(
    "name", ["shapes_fcn8s", *(pytest.param(n, marks=pytest.mark.slow) for n in NAMES[1:])]
)
@pytest.mark.parametrize("size", [None, pytest.param((96, 128), marks=pytest.mark.slow)])
def test_a_network_of_the_zoo(name, size, tmp_path):
    size = size and FREE.get(name, size)
    paths, inputs = made(name, tmp_path, size)
    sessions = [OnnxSession(path) for path in paths]
    assert sessions[1].inputs == sessions[2].inputs == sessions[0].inputs
    ((*_, height, width),) = sessions[1].inputs.values()
    assert (height, width) == (size or ("height", "width"))
    if size is None and name not in FREE:
        inputs.append(np.ascontiguousarray(inputs[0][:, :, :-8, :-17]))
    for array in inputs:
        scores = [session.run([array]) for session in sessions]
        spread = scores[0].std()
        assert np.abs(scores[1] - scores[0]).mean() < 0.2 * spread
        assert np.abs(scores[2] - scores[0]).mean() < 0.01 * spread
    types = {tensor.name: tensor.data_type for tensor in onnx.load(paths[1]).graph.initializer}
    is_integer = [f"{tensor}_quantized" in types for tensor in convolutions(paths[0])]
    assert all(is_integer[: len(is_integer) // 2]) and not is_integer[-1]
    sizes = [os.path.getsize(path) for path in paths]
    values = {tensor.name: np.prod(tensor.dims) for tensor in onnx.load(paths[0]).graph.initializer}
    integers = sum(count for name, count in values.items() if f"{name}_quantized" in types)
    assert integers > 0.7 * sum(values.values())
    # Three of four bytes are saved, but for scales and the nodes that convert.
    assert sizes[1] < sizes[0] - 2.8 * integers and sizes[2] < 0.55 * sizes[0]


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_other_runtimes_read_it(runtime, tmp_path):
    module, run = RUNTIMES[runtime]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    paths, inputs = made("shapes_fcn8s", tmp_path)
    expected = OnnxSession(paths[0]).run(inputs[:1])
    output = OnnxSession(paths[0]).outputs[0]
    for path in paths[1:]:
        (scores,) = run(path, {"data": inputs[0]}, [output]).values()
        assert np.abs(scores - expected).mean() < 0.2 * expected.std()


def convolutions(path):
    """The names of the weights of a model's convolutions, in order."""
    return [node.input[1] for node in onnx.load(path).graph.node if node.op_type == "Conv"]
