import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fork_layers import run_layer  # noqa: E402

import torchcaffe as caffe  # noqa: E402
from caffeformat import InputError, Weights, parse_text, pb  # noqa: E402
from torchcaffe.layers import create  # noqa: E402

pytestmark = pytest.mark.both_modes

RANDOM = np.random.RandomState(7)
X = RANDOM.randn(2, 3, 4, 5) * 2 + 1
FACTOR, OFFSET = RANDOM.randn(1, 3, 1, 1), RANDOM.randn(1, 3, 1, 1)
MEAN, VARIANCE = RANDOM.randn(1, 3, 1, 1), RANDOM.rand(1, 3, 1, 1) + 0.5


def _bn(settings):
    return f'name: "bn" type: "BN" bottom: "x" top: "y" bn_param {{ {settings} }}'


def _batch_statistics(x):
    return x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)


@pytest.mark.parametrize("phase", [pb.TRAIN, pb.TEST])
def test_segnet_bn_uses_the_statistics_of_the_batch_in_both_phases(phase):
    (top,), _ = run_layer(_bn("bn_mode: LEARN"), [X], [FACTOR, OFFSET], phase)
    mean, variance = _batch_statistics(X)
    assert np.allclose(top, (X - mean) / np.sqrt(variance + 1e-9) * FACTOR + OFFSET)


def test_segnet_bn_in_inference_mode_scales_and_shifts():
    (top,), _ = run_layer(_bn("bn_mode: INFERENCE"), [X], [FACTOR, OFFSET])
    assert np.allclose(top, X * FACTOR + OFFSET)


@pytest.mark.parametrize("phase, settings", [(pb.TEST, ""), (pb.TRAIN, "frozen: true")])
def test_pspnet_bn_uses_stored_statistics_in_test_and_where_frozen(phase, settings):
    params = [FACTOR, OFFSET, MEAN, VARIANCE]
    (top,), _ = run_layer(_bn(f"eps: 0.001 {settings}"), [X], params, phase)
    assert np.allclose(top, (X - MEAN) / np.sqrt(VARIANCE + 0.001) * FACTOR + OFFSET)


def test_pspnet_bn_in_training_moves_its_statistics_towards_the_batch():
    text = _bn("momentum: 0.75")
    (top,), _ = run_layer(text, [X], [FACTOR, OFFSET, MEAN, VARIANCE], pb.TRAIN)
    mean, variance = _batch_statistics(X)
    assert np.allclose(top, (X - mean) / np.sqrt(variance + 1e-5) * FACTOR + OFFSET)
    layer = create(parse_text(text, pb.LayerParameter), pb.TRAIN)
    layer.setup([X.shape])
    params = [torch.tensor(value) for value in (FACTOR, OFFSET, MEAN, VARIANCE)]
    layer.forward([torch.tensor(X)], params)
    assert np.allclose(params[2], 0.75 * MEAN + 0.25 * mean)
    assert np.allclose(params[3], 0.75 * VARIANCE + 0.25 * variance)


def test_a_single_value_a_channel_has_variance_zero():
    layer = create(parse_text(_bn("momentum: 0.5"), pb.LayerParameter), pb.TRAIN)
    layer.setup([(1, 3, 1, 1)])
    params = [torch.ones(1, 3, 1, 1) for _ in range(4)]
    layer.forward([torch.ones(1, 3, 1, 1)], params)
    assert np.allclose(params[3], 0.5)


def test_parameters_of_bn_start_as_in_the_forks():
    def start(settings):
        net = f"""layer {{ name: "x" type: "Input" top: "x"
            input_param {{ shape {{ dim: 1 dim: 2 dim: 3 dim: 3 }} }} }}
            layer {{ {_bn(settings)} }}"""
        net = caffe.Net(net_param=parse_text(net, pb.NetParameter), phase=caffe.TEST)
        return [float(blob.data.mean()) for blob in net.params["bn"]]

    assert start("scale_filler { value: 1 } shift_filler { value: 0.25 }") == [1, 0.25]
    assert start("slope_filler { value: 1 }") == [1, 0, 0, 0]
    assert start("frozen: true") == [0, 0, 0, 1]


def test_a_solver_leaves_statistics_and_frozen_parameters_alone():
    def learned(settings):
        text = f'name: "bn" type: "BN" bottom: "x" top: "y" bn_param {{ {settings} }}'
        layer = create(parse_text(text, pb.LayerParameter), pb.TRAIN)
        return [param.learned for param in layer.setup([(1, 2, 3, 3)])]

    assert learned("momentum: 0.9") == [True, True, False, False]
    assert learned("frozen: true") == [False] * 4
    assert learned("bn_mode: LEARN") == [True, True]


@pytest.mark.parametrize(
    "settings, problem",
    [("", "specify which"), ("bn_mode: LEARN momentum: 0.9", "keep those of one")],
)
def test_a_bn_that_is_of_no_fork_or_of_two_is_refused(settings, problem):
    layer = create(parse_text(_bn(settings), pb.LayerParameter), pb.TRAIN)
    with pytest.raises(InputError, match=f'layer "bn".*{problem}'):
        layer.setup([(1, 2, 3, 3)])


def test_upsample_puts_values_where_pooling_found_them():
    x = 1 + RANDOM.permutation(2 * 3 * 5 * 6).reshape(2, 3, 5, 6).astype(np.float32)
    net = """force_backward: true
    layer { name: "x" type: "Input" top: "x"
      input_param { shape { dim: 2 dim: 3 dim: 5 dim: 6 } } }
    layer { name: "pool" type: "Pooling" bottom: "x" top: "pool" top: "mask"
      pooling_param { kernel_size: 2 stride: 2 } }
    layer { name: "up" type: "Upsample" bottom: "pool" bottom: "mask" top: "up"
      upsample_param { scale: 2 upsample_h: 5 upsample_w: 6 } }"""
    net = caffe.Net(net_param=parse_text(net, pb.NetParameter), phase=caffe.TRAIN)
    up = net.forward(x=x)["up"]
    expected = np.zeros_like(x)
    for place in np.ndindex(2, 3, 3, 3):
        window = x[place[:2]][2 * place[2] : 2 * place[2] + 2, 2 * place[3] : 2 * place[3] + 2]
        expected[place[:2]][x[place[:2]] == window.max()] = window.max()
    assert np.array_equal(up, expected)
    net.blobs["up"].diff[...] = 3
    net.backward()
    assert np.array_equal(net.blobs["x"].diff, 3 * (expected == x))


@pytest.mark.parametrize(
    "settings, sizes",
    [
        ("", (6, 8)),
        ("scale: 3", (9, 12)),
        ("scale_h: 2 scale_w: 3 pad_out_h: true", (5, 12)),
        ("scale: 2 pad_out_h: true pad_out_w: true", (5, 7)),
        ("scale: 3 upsample_h: 5 upsample_w: 9", (5, 9)),
    ],
)
def test_sizes_of_upsample(settings, sizes):
    x, mask = RANDOM.randn(1, 2, 3, 4), np.arange(24.0).reshape(1, 2, 3, 4) % 12
    text = f"""name: "up" type: "Upsample" bottom: "x" bottom: "m" top: "y"
               upsample_param {{ {settings} }}"""
    (top,), _ = run_layer(text, [x, mask])
    assert top.shape == (1, 2, *sizes)
    assert np.allclose(top.reshape(2, -1)[:, :12], x.reshape(2, 12))


@pytest.mark.parametrize(
    "settings, mask, problem",
    [
        ("scale: 1", np.zeros((1, 1, 2, 2)), r"scale is \(1, 1\)"),
        ("scale_h: 2", np.zeros((1, 1, 2, 2)), "both scale_h"),
        ("scale: 3 pad_out_w: true", np.zeros((1, 1, 2, 2)), "pad_out needs a scale of 2"),
        ("scale: 2", np.zeros((1, 1, 2, 3)), "differ in shape"),
        ("scale: 2", np.full((1, 1, 2, 2), 16.0), "holds the index 16"),
        ("scale: 2", np.full((1, 1, 2, 2), -1.0), "holds the index -1"),
    ],
)
def test_an_upsample_that_does_not_fit_is_refused_with_its_name(settings, mask, problem):
    text = f"""name: "up" type: "Upsample" bottom: "x" bottom: "m" top: "y"
               upsample_param {{ {settings} }}"""
    with pytest.raises(InputError, match=f'layer "up".*{problem}'):
        run_layer(text, [np.zeros((1, 1, 2, 2)), mask])


@pytest.mark.parametrize(
    "order, axes",
    [("order: 0 order: 2 order: 3 order: 1", (0, 2, 3, 1)), ("order: 3", (3, 0, 1, 2))],
)
def test_permute_reorders_axes(order, axes):
    text = f'name: "p" type: "Permute" bottom: "x" top: "y" permute_param {{ {order} }}'
    (top,), _ = run_layer(text, [X])
    assert np.array_equal(top, X.transpose(axes))


@pytest.mark.parametrize("order", ["order: 1 order: 1", "order: 4"])
def test_permute_refuses_axes_that_are_not_there(order):
    text = f'name: "p" type: "Permute" bottom: "x" top: "y" permute_param {{ {order} }}'
    with pytest.raises(InputError, match=r'layer "p": order .* each once'):
        run_layer(text, [X])


@pytest.mark.parametrize("across", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_normalize_divides_by_the_norm(across, shared):
    scale = np.float64(1.5) if shared else RANDOM.randn(3)
    text = f"""name: "norm" type: "Normalize" bottom: "x" top: "y" norm_param {{
        across_spatial: {str(across).lower()} channel_shared: {str(shared).lower()} eps: 0.01 }}"""
    (top,), _ = run_layer(text, [X], [scale])
    norm = np.sqrt((X**2).sum((1, 2, 3) if across else 1, keepdims=True) + 0.01)
    assert np.allclose(top, X / norm * np.reshape(scale, (1, -1, 1, 1)))


def test_normalize_starts_with_a_scale_of_one_or_its_filler():
    def start(settings):
        text = f'name: "n" type: "Normalize" bottom: "x" top: "y" norm_param {{ {settings} }}'
        (param,) = create(parse_text(text, pb.LayerParameter), pb.TEST).setup([(1, 4, 2, 2)])
        return param.shape, param.filler.value

    assert start("") == ((), 1)
    assert start("channel_shared: false scale_filler { value: 20 }") == ((4,), 20)


def _net(*layer_texts):
    text = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }'
    text += "".join(f"layer {{ {layer} }}" for layer in layer_texts)
    return caffe.Net(net_param=parse_text(text, pb.NetParameter), phase=caffe.TEST)


def test_bn_blobs_of_an_older_release_load():
    net = _net(_bn("momentum: 0.9"))
    values = np.array([[3, 4]], np.float32)
    net.copy_from(Weights({"bn": [values] * 4}))
    assert net.params["bn"][0].data.shape == (1, 2, 1, 1)
    assert np.array_equal(net.params["bn"][3].data.ravel(), [3, 4])
    with pytest.raises(InputError, match="parameter 0 has shape"):
        net.copy_from(Weights({"bn": [np.zeros((1, 3), np.float32)] * 4}))


@pytest.mark.parametrize(
    "layer_type, forks",
    [
        ("PriorBox", "NVIDIA Caffe or SSD"),
        ("DetectNetAugmentation", "NVIDIA Caffe"),
        ("SpatialProduct", "PSPNet"),
    ],
)
def test_a_layer_that_only_a_fork_has_is_refused_with_the_name_of_the_fork(layer_type, forks):
    with pytest.raises(InputError, match=f'layer "a": "{layer_type}" is a layer of the .*{forks}'):
        _net(f'name: "a" type: "{layer_type}" bottom: "x" top: "y"')


SEGNET = """name: "a SegNet"
layer { name: "data" type: "Input" top: "data" top: "label" input_param {
  shape { dim: 2 dim: 3 dim: 7 dim: 10 } shape { dim: 2 dim: 1 dim: 7 dim: 10 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "conv1_bn" type: "BN" bottom: "conv1" top: "conv1" param { lr_mult: 1 }
  param { lr_mult: 1 decay_mult: 0 } bn_param { scale_filler { type: "constant" value: 1 }
  shift_filler { type: "constant" value: 0.001 } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" top: "pool1_mask"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "upsample1" type: "Upsample" bottom: "pool1" bottom: "pool1_mask" top: "pool1_D"
  upsample_param { scale: 2 upsample_w: 10 upsample_h: 7 } }
layer { name: "conv1_D" type: "Convolution" bottom: "pool1_D" top: "conv1_D"
  convolution_param { num_output: 2 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "conv1_D" bottom: "label" top: "loss" }
"""


@pytest.mark.slow
def test_a_segnet_learns():
    caffe.set_random_seed(1)
    solver = pb.SolverParameter(base_lr=0.1, momentum=0.9, lr_policy="fixed", max_iter=30)
    solver.train_net_param.CopyFrom(parse_text(SEGNET, pb.NetParameter))
    solver = caffe.SGDSolver(param=solver)
    random = np.random.RandomState(0)
    data = random.randn(2, 3, 7, 10)
    solver.net.blobs["data"].data[...] = data
    solver.net.blobs["label"].data[...] = data[:, :1] > 0
    solver.step(1)
    before = float(solver.net.blobs["loss"].data)
    solver.step(29)
    assert float(solver.net.blobs["loss"].data) < 0.6 * before
    assert not np.allclose(solver.net.params["conv1_bn"][0].data, 1)
