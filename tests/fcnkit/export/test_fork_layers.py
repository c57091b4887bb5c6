"""Layers of Caffe's forks in every exported form: no blob is lost, and all compute the same."""

import numpy as np
import pytest

from caffeformat import InputError, parse_text, pb, upgrade_net
from fcnkit import export
from fcnkit.surgery import fold_batch_norm

torchcaffe = pytest.importorskip("torchcaffe")
pytest.importorskip("onnxruntime")

INPUT = 'input: "x" input_shape { dim: 1 dim: 3 dim: 9 dim: 10 } '
CONV = """
layer {
  name: "c" type: "Convolution" bottom: "x" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } }
}
"""
POOL = """
layer {
  name: "p" type: "Pooling" bottom: "c" top: "p" top: "mask"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 }
}
layer {
  name: "u" type: "Upsample" bottom: "p" bottom: "mask" top: "y" upsample_param { %s }
}
"""
SIZES = [(9, 10), (12, 7)]


def _one(kind, fields):
    return f'{CONV}layer {{ name: "l" type: "{kind}" bottom: "c" top: "y" {fields} }}'


NVIDIA_AND_SCALE = (
    f'{CONV}layer {{ name: "l" type: "BatchNorm" bottom: "c" top: "l" '
    "batch_norm_param { scale_filler { value: 1 } use_global_stats: false } } "
    'layer { name: "s" type: "Scale" bottom: "l" top: "y" scale_param { bias_term: true } }'
)
CASES = {
    "pspnet": _one("BN", "bn_param { momentum: 0.9 eps: 0.001 }"),
    "segnet": _one("BN", "bn_param { bn_mode: INFERENCE }"),
    "segnet learn": _one("BN", "bn_param { bn_mode: LEARN }"),
    "nvidia": _one("BatchNorm", "batch_norm_param { scale_bias: true eps: 1e-9 }"),
    "nvidia and scale": NVIDIA_AND_SCALE,
    "normalize": _one("Normalize", "norm_param { across_spatial: false channel_shared: false }"),
    "normalize all": _one("Normalize", "norm_param { across_spatial: true channel_shared: true }"),
    "permute": _one("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }"),
    "upsample": CONV + POOL % "scale: 2",
    "upsample odd": CONV + POOL % "scale: 2 pad_out_h: true",
}


def _net(text):
    net = parse_text(INPUT + text, pb.NetParameter)
    upgrade_net(net)
    return net


def _weights(net):
    made = torchcaffe.Net(net_param=net, phase=torchcaffe.TEST)
    random = np.random.RandomState(0)
    for layer in made.layers:
        for index, blob in enumerate(layer.blobs):
            blob.data[...] = random.uniform(0.5, 1.5, blob.data.shape)
            if layer.type == "BatchNorm" and index == 2:
                blob.data[...] = 1
    return made.weights()


def _bits(weights):
    return {name: [blob.tobytes() for blob in blobs] for name, blobs in weights.items()}


@pytest.mark.parametrize("ending", ["onnx", "pt", "safetensors"])
@pytest.mark.parametrize("case", CASES)
def test_weights_come_back_bit_for_bit_and_compute_the_same(tmp_path, case, ending):
    net = _net(CASES[case])
    weights, path = _weights(net), tmp_path / f"net.{ending}"
    export.write_parameters(path, net, weights)
    assert _bits(export.read_parameters(path, net)) == _bits(weights)
    # An odd height fits only a top that is one row smaller.
    sizes = {"upsample": [(8, 10), (12, 6)], "upsample odd": [(9, 10), (7, 6)]}.get(case, SIZES)
    for found in export.differences(net, weights, path, sizes=sizes):
        assert found.largest <= 1e-5 * found.largest_score


def test_layers_whose_blobs_would_be_lost_are_named(tmp_path):
    net = _net(_one("Unknown", ""))
    weights = _weights(_net(CONV))
    weights["l"] = [np.ones(3, np.float32)]
    path = tmp_path / "net.safetensors"
    with pytest.raises(InputError, match=r'layer "l" \(Unknown\).*would be lost'):
        export.write_parameters(path, net, weights, ["y"])
    assert not path.exists()


@pytest.mark.parametrize("ending", ["onnx", "pt", "safetensors"])
def test_blobs_of_an_older_nvidia_caffe_are_exported_in_their_order(tmp_path, ending):
    net = _net(CASES["nvidia"])
    weights, path = _weights(net), tmp_path / f"net.{ending}"
    mean, variance, one, scale, bias = weights["l"]
    older = _weights(net)
    older["l"] = [blob.reshape(1, -1, 1, 1) for blob in (scale, bias, mean, variance, one * 0)]
    export.write_parameters(path, net, older)
    assert _bits(export.read_parameters(path, net)) == _bits(weights)
    assert export.parameter_difference(net, older, weights) is None
    for found in export.differences(net, older, path, sizes=SIZES):
        assert found.largest <= 1e-5 * found.largest_score


@pytest.mark.parametrize("ending", ["onnx", "pt"])
def test_dropout_that_samples_in_test_is_refused(tmp_path, ending):
    net = _net(_one("Dropout", "dropout_param { sample_weights_test: true }"))
    with pytest.raises(InputError, match=r'"l".*sample_weights_test'):
        path = tmp_path / f"net.{ending}"
        export.write_parameters(path, net, _weights(net))
        list(export.differences(net, _weights(net), path, sizes=SIZES))


@pytest.mark.parametrize("case", ["pspnet", "segnet", "nvidia", "nvidia and scale"])
def test_bn_folds_into_the_convolution_before_it(case):
    net = _net(CASES[case])
    weights = _weights(net)
    folded, arrays = fold_batch_norm(net, weights)
    assert [layer.type for layer in folded.layer] == ["Input", "Convolution"]
    before = torchcaffe.Net(net_param=net, phase=torchcaffe.TEST, weights=weights)
    after = torchcaffe.Net(net_param=folded, phase=torchcaffe.TEST, weights=arrays)
    image = np.random.RandomState(1).standard_normal((1, 3, 9, 10)).astype(np.float32)
    wanted = before.forward(x=image)["y"]
    np.testing.assert_allclose(after.forward(x=image)["y"], wanted, rtol=1e-5, atol=1e-5)


def test_bn_that_uses_its_batch_is_not_folded():
    net = _net(CASES["segnet learn"])
    assert len(fold_batch_norm(net, _weights(net))[0].layer) == 3
