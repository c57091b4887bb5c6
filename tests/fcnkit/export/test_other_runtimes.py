"""Exported networks of the zoo, read by OpenCV, OpenVINO and ONNX Runtime."""

import importlib.util
import re

import numpy as np
import pytest
from other_runtimes import RUNTIMES
from places import REPO

from caffeformat import Weights, read_net
from fcnkit import export
from fcnkit.nets import net_parameters
from fcnkit.runtimes import takes_shapes
from fcnkit.zoo import networks, path

torchcaffe = pytest.importorskip("torchcaffe")
pytest.importorskip("onnx")

TOLERANCE = 1e-4  # of the largest score
# (network, runtime) whose scores are others in each run of one model; docs/export.md says more.
UNSTABLE = {("pspnet_50", "OpenCV"), ("pspnet_101", "OpenCV")}


def weights_of(net):
    """Random weights that keep the scale of activations, as trained ones do."""
    random = np.random.RandomState(0)
    weights = Weights()
    for layer, parameters in net_parameters(net):
        weights[layer.name] = [
            # Repeated past a million values, whose drawing would take as long as the runtimes.
            np.resize(drawn, each.shape)
            for each in parameters
            for drawn in [_normal(random, min(int(np.prod(each.shape)), 1 << 20))]
        ]
        weights.types[layer.name] = layer.type
        for blob in weights[layer.name]:
            if layer.type == "BatchNorm":
                blob[...] = 0.5 + np.abs(blob)  # variances near 0 would blow rounding up
            elif blob.ndim > 1:
                blob *= np.float32(np.sqrt(2 / np.prod(blob.shape[1:])))
    return weights


def _normal(random, count):
    return random.standard_normal(count).astype(np.float32)


def shapes_of(net, inputs):
    """Shapes of small odd inputs where the net takes any, else of its own."""
    for size in ((131, 97), (128, 96)):
        shapes = {name: (1, shape[1], *size) for name, shape in inputs.items()}
        if takes_shapes(net, shapes):
            return shapes
    return {name: (1, *shape[1:]) for name, shape in inputs.items()}


def scores_of_engine(net, weights, images):
    engine_net = torchcaffe.Net(net_param=net, phase=torchcaffe.TEST, weights=weights)
    for name, image in images.items():
        engine_net.blobs[name].reshape(*image.shape)
        engine_net.blobs[name].data[...] = image
    return {name: np.array(scores) for name, scores in engine_net.forward().items()}


def difference(made, wanted):
    """The largest difference as a share of the largest score."""
    assert made.shape == wanted.shape
    return float(np.abs(made - wanted).max() / np.abs(wanted).max())


def found_differences(name, folder):
    """{(runtime, whether the size is fixed): largest difference, or what went wrong}."""
    net = export.deployed(read_net(path(name, "deploy.prototxt")))
    if net.layer[-1].type == "Softmax":  # it turns differences of large scores into others
        del net.layer[-1]
    weights = weights_of(net)
    inputs = {
        layer.top[0]: tuple(layer.input_param.shape[0].dim)
        for layer in net.layer
        if layer.type == "Input"
    }
    shapes = shapes_of(net, inputs)
    random = np.random.RandomState(1)
    images = {
        key: random.standard_normal(shape).astype(np.float32) for key, shape in shapes.items()
    }
    wanted = scores_of_engine(net, weights, images)
    found = {}
    for fixed in (False, True):
        file = folder / "model.onnx"
        size = next(iter(shapes.values()))[2:] if fixed else None
        export.write_parameters(file, net, weights, size=size)
        for runtime, (module, run) in RUNTIMES.items():
            if importlib.util.find_spec(module) is None:
                continue
            try:
                made = run(file, images, list(wanted))
                result = max(difference(made[key], wanted[key]) for key in wanted)
            except Exception as error:
                result = f"{type(error).__name__}: {error}"
            found[runtime, fixed] = result
    file.unlink()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", networks())
def test_networks_of_the_zoo_in_other_runtimes(name, tmp_path):
    missing = [name for name, (module, _) in RUNTIMES.items()
               if importlib.util.find_spec(module) is None]  # fmt: skip
    wrong = {}
    for (runtime, fixed), result in found_differences(name, tmp_path).items():
        agrees = isinstance(result, float) and result <= TOLERANCE
        if not agrees and (name, runtime) not in UNSTABLE:
            wrong[runtime, fixed] = result
    assert not wrong
    if missing:
        pytest.skip(f"without {', '.join(missing)}: make test-full installs them")


def test_the_page_states_what_differs():
    page = (REPO / "docs/export.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `(\w+)` \|", page, re.M)
    assert "pspnet_50" in table
    for name, runtime in UNSTABLE:
        assert re.search(rf"`{name}`.*{runtime} .*gives other scores in each run", page)
    assert set(networks()) <= set(re.findall(r"`(\w+)`", page))
