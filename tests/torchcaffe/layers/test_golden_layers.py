"""Every layer case that BVLC Caffe 1.0 computed: outputs, gradients, changed parameters."""

import numpy as np
import pytest
from golden_compare import assert_close
from places import GOLDEN

import torchcaffe
from caffeformat import parse_text, pb

pytestmark = pytest.mark.both_modes(slow_on_gpu=True)

# layers_more: what tests/bvlc/layer_golden.py measured beyond the others
CASES = sorted(GOLDEN.glob("layers*/*.npz"))


def _keys(case, prefix):
    """(the parts of the key after `prefix`, array) for each array of that kind."""
    return [(key.split(":")[1:], case[key]) for key in case.files if key.startswith(prefix + ":")]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_layer_computes_what_caffe_did(path):
    case = np.load(path)
    message = parse_text(str(case["prototxt"]), pb.NetParameter)
    net = torchcaffe.Net(net_param=message, phase=int(case["phase"]))
    for (blob,), values in _keys(case, "in"):
        net.blobs[blob].data[...] = values
    for (layer, index), values in _keys(case, "param"):
        net.params[layer][int(index)].data[...] = values

    net.forward()
    for (blob,), values in _keys(case, "out"):
        assert_close(net.blobs[blob].data, values, f"output {blob}")
    for (layer, index), values in _keys(case, "paramafter"):
        assert_close(net.params[layer][int(index)].data, values, f"changed parameter {index}")

    for (blob,), values in _keys(case, "topdiff"):
        net.blobs[blob].diff[...] = values
    net.backward()
    for (blob,), values in _keys(case, "indiff"):
        assert_close(net.blobs[blob].diff, values, f"gradient of {blob}")
    for (layer, index), values in _keys(case, "paramdiff"):
        assert_close(net.params[layer][int(index)].diff, values, f"gradient of parameter {index}")
