"""Fields of forks that change results, against NumPy; gradients are checked numerically."""

import numpy as np
import pytest
from fork_layers import run_layer

import torchcaffe
from caffeformat import InputError, parse_text, pb

RANDOM = np.random.RandomState(3)
SCORES = RANDOM.standard_normal((2, 3, 2, 4))
LABELS = RANDOM.randint(0, 3, (2, 1, 2, 4)).astype(float)
X = RANDOM.standard_normal((3, 2, 4, 5)) * 2 + 1


def _losses():
    odds = np.exp(SCORES)
    true = np.take_along_axis(odds / odds.sum(1, keepdims=True), LABELS.astype(int), 1)
    return -np.log(true)


def _loss(fields, labels=LABELS):
    text = f'name: "l" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "l" {fields}'
    return float(run_layer(text, [SCORES, labels], phase=pb.TRAIN)[0][0])


def test_class_weighting_multiplies_each_loss():
    weights = np.float32([0.5, 2, 3.25])
    fields = "weight_by_label_freqs: true " + " ".join(f"class_weighting: {w}" for w in weights)
    of_label = weights[LABELS.astype(int)]
    assert _loss(f"loss_param {{ {fields} }}") == pytest.approx((_losses() * of_label).mean())
    counted = LABELS != 1
    wanted = (_losses() * of_label)[counted].sum() / counted.sum()  # labels count, not weights
    assert _loss(f"loss_param {{ {fields} ignore_label: 1 }}") == pytest.approx(wanted)
    wanted = (_losses() * of_label).sum() / 2
    assert _loss(f"loss_param {{ {fields} normalize: false }}") == pytest.approx(wanted)


def test_without_weights_the_labels_of_the_batch_count():
    counts = np.bincount(LABELS.astype(int).ravel(), minlength=3)
    wanted = (_losses() / counts[LABELS.astype(int)]).mean()
    assert _loss("loss_param { weight_by_label_freqs: true }") == pytest.approx(wanted)


def test_class_weighting_alone_does_nothing_as_in_segnet():
    assert _loss("loss_param { class_weighting: 5 }") == pytest.approx(_losses().mean())


def test_another_number_of_weights_than_classes_is_refused():
    with pytest.raises(InputError, match="2 class_weighting for 3 classes"):
        _loss("loss_param { weight_by_label_freqs: true class_weighting: 1 class_weighting: 1 }")


@pytest.mark.parametrize("sampled", [True, False])
def test_dropout_in_test_samples_where_bayesian_segnet_asks(sampled):
    field = "sample_weights_test: true" if sampled else ""
    net = torchcaffe.Net(
        net_param=parse_text(
            'layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 1000 } } }'
            'layer { name: "l" type: "Dropout" bottom: "x" top: "y" '
            f"dropout_param {{ dropout_ratio: 0.5 {field} }} }}",
            pb.NetParameter,
        ),
        phase=torchcaffe.TEST,
    )
    found = net.forward(x=np.ones(1000, np.float32))["y"]
    assert set(found) == ({0, 2} if sampled else {1})
    assert not sampled or 400 < np.count_nonzero(found) < 600


SEGNET = 'name: "l" type: "BN" bottom: "x" top: "y" top: "m" top: "v"'


@pytest.mark.parametrize("phase", [pb.TRAIN, pb.TEST])
def test_segnet_bn_gives_mean_and_variance_of_the_batch(phase):
    scale, shift = np.array([[[[2.0]], [[3.0]]]]), np.array([[[[0.5]], [[-1.0]]]])
    (top, mean, variance), _ = run_layer(SEGNET, [X], [scale, shift], phase)
    over = (0, 2, 3)
    np.testing.assert_allclose(mean, X.mean(over, keepdims=True))
    np.testing.assert_allclose(variance, X.var(over, keepdims=True))
    np.testing.assert_allclose(top, (X - mean) / np.sqrt(variance + 1e-9) * scale + shift)


def test_other_bn_have_no_statistics_as_tops():
    for fields in ("bn_param { momentum: 0.9 }", "bn_param { bn_mode: INFERENCE }"):
        with pytest.raises(InputError, match="only SegNet's BN in mode LEARN"):
            run_layer(f"{SEGNET} {fields}", [X])


NVIDIA = 'name: "l" type: "BatchNorm" bottom: "x" top: "y" batch_norm_param { scale_bias: true %s }'


def _nvidia_params():
    parts = [RANDOM.uniform(0.5, 2, 2) for _ in range(4)]
    return [parts[0], parts[1], np.ones(1), parts[2], parts[3]]


def _channels(values):
    return values.reshape(1, -1, 1, 1)


def test_batch_norm_with_scale_and_bias_in_test():
    params = _nvidia_params()
    mean, variance, _, scale, bias = map(_channels, params)
    # eps is 1e-5 at least
    (top,), _ = run_layer(NVIDIA % "eps: 1e-9", [X], params)
    np.testing.assert_allclose(top, (X - mean) / np.sqrt(variance + 1e-5) * scale + bias)


def test_batch_norm_with_scale_and_bias_in_training():
    params = _nvidia_params()
    _, _, _, scale, bias = map(_channels, params)
    (top,), _ = run_layer(NVIDIA % "eps: 0.01", [X], params, pb.TRAIN)
    mean, variance = X.mean((0, 2, 3), keepdims=True), X.var((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(top, (X - mean) / np.sqrt(variance + 0.01) * scale + bias)


def test_its_statistics_move_from_the_third_batch_on_and_its_multipliers_are_set(tmp_path):
    text = 'layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 3 dim: 2 } } }'
    layer = NVIDIA % "moving_average_fraction: 0.75 eps: 0.5" + " param { lr_mult: 7 }"
    message = parse_text(f"{text} layer {{ {layer} }}", pb.NetParameter)
    net = torchcaffe.Net(net_param=message, phase=torchcaffe.TRAIN)
    assert [param.lr_mult for param in net.learnable_params] == [0, 0, 0, 1, 1]
    batches = [RANDOM.standard_normal((3, 2)).astype(np.float32) for _ in range(3)]
    for batch in batches:
        net.forward(x=batch)
    wanted = 0.75 * batches[1].mean(0) + 0.25 * batches[2].mean(0)
    np.testing.assert_allclose(net.params["l"][0].data, wanted, rtol=1e-5, atol=1e-6)
    wanted = 0.75 * batches[1].var(0) + 0.25 * batches[2].var(0) + 0.5  # stored with eps
    np.testing.assert_allclose(net.params["l"][1].data, wanted, rtol=1e-5)
    net.save(str(tmp_path / "w.caffemodel"))
    other = torchcaffe.Net(net_param=message, phase=torchcaffe.TEST)
    other.copy_from(str(tmp_path / "w.caffemodel"))
    assert [blob.data.shape for blob in other.params["l"]] == [(2,), (2,), (1,), (2,), (2,)]
    np.testing.assert_array_equal(other.params["l"][1].data, net.params["l"][1].data)


def test_a_net_with_a_field_that_would_change_its_result_is_refused():
    text = 'layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 3 dim: 2 } } }'
    text += 'layer { name: "e" type: "ELU" bottom: "x" top: "y" elu_param { lambda: 2 } }'
    with pytest.raises(InputError, match=r"elu_param.lambda \(NVIDIA Caffe\): would change"):
        torchcaffe.Net(net_param=parse_text(text, pb.NetParameter), phase=torchcaffe.TEST)


@pytest.mark.parametrize("field", ['momentum_policy: "poly"', "larc: true"])
def test_a_solver_with_such_a_field_is_refused(field):
    text = f'net_param {{ }} base_lr: 1 lr_policy: "fixed" {field}'
    with pytest.raises(InputError, match=f"{field.split(':')[0]} .*would change"):
        torchcaffe.get_solver(param=parse_text(text, pb.SolverParameter))


ACCURACY = """
layer { name: "d" type: "Input" top: "x" top: "t" input_param {
  shape { dim: 1 dim: 3 dim: 2 dim: 2 } shape { dim: 1 dim: 1 dim: 2 dim: 2 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "l"
  loss_param { ignore_label: %d } }
layer { name: "a" type: "Accuracy" bottom: "x" bottom: "t" top: "a" top: "c" accuracy_param { %s } }
"""


def _accuracy(ignored, fields="", labels=(0, 1, 11, 11)):
    message = parse_text(ACCURACY % (ignored, fields), pb.NetParameter)
    net = torchcaffe.Net(net_param=message, phase=torchcaffe.TEST)
    net.blobs["x"].data[0] = np.eye(3)[[0, 0, 0, 0]].T.reshape(3, 2, 2)
    net.blobs["t"].data.ravel()[...] = labels
    net.forward()
    return float(net.blobs["a"].data), list(net.blobs["c"].data)


def test_labels_that_the_loss_ignores_count_as_wrong():
    with pytest.warns(UserWarning, match=r'layer "a" .*\(11\) count as wrong'):
        assert _accuracy(11) == (0.25, [1, 0, 0])
    assert _accuracy(11, "ignore_label: 11") == (0.5, [1, 0, 0])
    assert _accuracy(1, "", (0, 1, 0, 0)) == (0.75, [1, 0, 0])  # a class, although ignored


def test_other_labels_past_the_classes_are_refused():
    with pytest.raises(InputError, match="holds the label 12"):
        _accuracy(11, "ignore_label: 12", (0, 1, 11, 12))
