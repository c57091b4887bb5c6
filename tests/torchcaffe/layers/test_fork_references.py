"""Layers of forks against NumPy, written from the forks' programs: both passes, both phases."""

import re
from collections import namedtuple

import fork_references as reference
import numpy as np
import pytest

import torchcaffe
from caffeformat import parse_text, pb
from caffeformat.messages import layer_forks
from torchcaffe.layers import layer_type_list

pytestmark = pytest.mark.both_modes

BOUND = 1e-5  # of an array's largest value, or of 1
BATCHES = 4  # what moves with every batch has moved by then
RANDOM = np.random.RandomState(11)
X = RANDOM.standard_normal((3, 4, 5, 6)) * 1.5 + 0.5
IMAGE_LABELS = RANDOM.randint(0, 4, (3, 1, 5, 6))
# Four different places per map, so that no value overwrites another
MASK = np.stack(
    [RANDOM.choice(10 * 12, 30, replace=False).reshape(5, 6) for _ in range(12)]
).reshape(3, 4, 5, 6)

Case = namedtuple("Case", "row text compute bottoms params", defaults=([X], []))
Case.__doc__ = """`row`: the first cell of docs/forks.md that the case is for."""


def _of(*shape, low=-1.0, high=1.0):
    return RANDOM.uniform(low, high, shape)


def _bn_params(count):
    made = [_of(1, 4, 1, 1) for _ in range(3)] + [_of(1, 4, 1, 1, low=0.5, high=2)]
    return made[:count]


def _nvidia_params():
    return [_of(4), _of(4, low=0.5, high=2), np.ones(1), _of(4), _of(4)]


NVIDIA_ROW = "`BatchNorm` with `scale_bias`, `scale_filler` or `bias_filler`"
LOSS_ROW = "`SoftmaxWithLoss` with `weight_by_label_freqs`"
WEIGHTS = "class_weighting: 0.5 class_weighting: 2 class_weighting: 1.25 class_weighting: 3"


def _loss(fields):
    text = 'type: "SoftmaxWithLoss" top: "y" loss_weight: 0.7 loss_param '
    text += f"{{ weight_by_label_freqs: true {fields} }}"
    return Case(LOSS_ROW, text, reference.weighted_softmax_loss, [X, IMAGE_LABELS])


def _simple(kind, fields, compute, *more):
    own = {"BN": "bn", "Normalize": "norm", "BatchNorm": "batch_norm"}.get(kind, kind.lower())
    return Case(f"`{kind}`", f'type: "{kind}" top: "y" {own}_param {{ {fields} }}', compute, *more)


def _interp(fields):
    return _simple("Interp", fields, reference.interp)


def _nvidia(fields):
    case = _simple("BatchNorm", fields, reference.nvidia_batch_norm, [X], _nvidia_params())
    return case._replace(row=NVIDIA_ROW)


def _normalize(fields, *shape):
    return _simple("Normalize", fields, reference.normalize, [X], [_of(*shape, low=0.5, high=3)])


CASES = {
    "segnet": _simple("BN", "bn_mode: LEARN", reference.segnet_bn, [X], _bn_params(2)),
    "segnet inference": _simple(
        "BN", "bn_mode: INFERENCE", reference.segnet_bn, [X], _bn_params(2)
    ),
    "segnet statistics": _simple(
        "BN", "bn_mode: LEARN", reference.segnet_bn, [X], _bn_params(2)
    )._replace(text='type: "BN" top: "y" top: "mean" top: "variance" bn_param { bn_mode: LEARN }'),
    "pspnet": _simple("BN", "momentum: 0.75 eps: 0.001", reference.pspnet_bn, [X], _bn_params(4)),
    "pspnet frozen": _simple("BN", "frozen: true", reference.pspnet_bn, [X], _bn_params(4)),
    "nvidia": _nvidia("scale_bias: true moving_average_fraction: 0.75"),
    "nvidia eps": _nvidia("scale_filler { value: 1 } eps: 0.01"),
    "nvidia least eps": _nvidia("bias_filler { value: 1 } eps: 1e-9 use_global_stats: true"),
    "upsample": _simple("Upsample", "scale: 2", reference.upsample, [X, MASK]),
    "upsample size": _simple(
        "Upsample", "scale: 2 upsample_h: 11 upsample_w: 13", reference.upsample, [X, MASK]
    ),
    "upsample apart": _simple(
        "Upsample", "scale_h: 2 scale_w: 3 pad_out_h: false", reference.upsample, [X, MASK]
    ),
    "upsample padded": _simple(
        "Upsample",
        "scale: 2 pad_out_h: true pad_out_w: true",
        reference.upsample,
        [X, MASK % 99],
    ),
    "zoom": _interp("zoom_factor: 3"),
    "zoom and size": _interp("zoom_factor: 2 height: 3 width: 3"),
    "shrink": _interp("shrink_factor: 2"),
    "shrink and zoom": _interp("shrink_factor: 2 zoom_factor: 4 pad_end: -1"),
    "size": _interp("height: 7 width: 4"),
    "single pixel": _interp("height: 1 width: 1 pad_beg: -1 pad_end: -2"),
    "same size": _interp("height: 5 width: 6"),
    "permute": _simple("Permute", "order: 0 order: 2 order: 3 order: 1", reference.permute),
    "permute some": _simple("Permute", "order: 3 order: 1", reference.permute),
    "normalize": _normalize("across_spatial: true channel_shared: true"),
    "normalize places": _normalize("across_spatial: false channel_shared: true eps: 0.1"),
    "normalize channels": _normalize("across_spatial: false channel_shared: false", 4),
    "normalize all channels": _normalize("across_spatial: true channel_shared: false", 4),
    "weights": _loss(WEIGHTS),
    "weights, ignored labels": _loss(f"{WEIGHTS} ignore_label: 2"),
    "weights, sum": _loss(f"{WEIGHTS} normalize: false ignore_label: 0"),
    "frequencies": _loss(""),
}


def _net(case, phase):
    inputs = [f"b{index}" for index in range(len(case.bottoms))]
    text = "force_backward: true "
    for name, array in zip(inputs, case.bottoms):
        dims = " ".join(f"dim: {dim}" for dim in array.shape)
        text += f'layer {{ name: "{name}" type: "Input" top: "{name}" '
        text += f"input_param {{ shape {{ {dims} }} }} }} "
    bottoms = " ".join(f'bottom: "{name}"' for name in inputs)
    text += f'layer {{ name: "it" {bottoms} {case.text} }}'
    return torchcaffe.Net(net_param=parse_text(text, pb.NetParameter), phase=phase)


def _close(found, wanted, what):
    found, wanted = np.asarray(found).ravel(), np.asarray(wanted).ravel()
    assert found.shape == wanted.shape, what
    largest = max(1, np.abs(wanted).max(initial=0))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=BOUND * largest, err_msg=what)


@pytest.mark.quick_cases(55)
@pytest.mark.parametrize("phase", [pb.TRAIN, pb.TEST], ids=["TRAIN", "TEST"])
@pytest.mark.parametrize("name", CASES)
def test_a_layer_computes_what_the_fork_does(name, phase):
    case, random = CASES[name], np.random.RandomState(5)
    net = _net(case, phase)
    layer, params = net.message.layer[-1], case.params
    blobs = list(net.layer_dict["it"].blobs)
    for blob, values in zip(blobs, params):
        blob.data[...] = values
    for number in range(BATCHES):
        scale = 1 + number / 4
        bottoms = [case.bottoms[0] * scale, *case.bottoms[1:]]
        for index, array in enumerate(bottoms):
            net.blobs[f"b{index}"].data[...] = array
        net.clear_param_diffs()
        net.forward()
        diffs = [random.standard_normal(net.blobs[top].data.shape) for top in layer.top]
        if not layer.loss_weight:
            for top, diff in zip(layer.top, diffs):
                net.blobs[top].diff[...] = diff
        net.backward()
        wanted = case.compute(reference.Pass(layer, phase, bottoms, params, diffs, number))
        params = wanted.params
        for top, values in zip(layer.top, wanted.tops):
            _close(net.blobs[top].data, values, f"top {top}")
        for index, values in enumerate(wanted.bottom_diffs):
            if values is not None:
                _close(net.blobs[f"b{index}"].diff, values, f"diff of bottom {index}")
        for index, (blob, values) in enumerate(zip(blobs, wanted.params)):
            _close(blob.data, values, f"parameter {index}")
        for index, (blob, values) in enumerate(zip(blobs, wanted.param_diffs)):
            if values is not None:
                _close(blob.diff, values, f"diff of parameter {index}")


@pytest.mark.parametrize("phase", [pb.TRAIN, pb.TEST], ids=["TRAIN", "TEST"])
def test_dropout_passes_diffs_where_it_passed_values(phase):
    text = (
        'type: "Dropout" top: "y" dropout_param { dropout_ratio: 0.25 sample_weights_test: true }'
    )
    net = _net(Case("", text, None, [np.ones((40, 50))]), phase)
    net.blobs["b0"].data[...] = 1
    kept = net.forward()["y"] != 0
    assert 0.7 < kept.mean() < 0.8
    diff = np.random.RandomState(0).standard_normal(kept.shape)
    net.blobs["y"].diff[...] = diff
    net.backward()
    np.testing.assert_allclose(net.blobs["y"].data, kept / 0.75, rtol=1e-6)
    np.testing.assert_allclose(net.blobs["b0"].diff, diff * kept / 0.75, rtol=1e-5, atol=1e-6)


def test_every_layer_that_the_page_names_has_a_case(repo):
    page = (repo / "docs/forks.md").read_text().partition("## Layers that run")[2]
    rows = set(re.findall(r"^\| (`[^|]*?) \|", page.partition("\n##")[0], re.MULTILINE))
    elsewhere = {"`Dropout` with `sample_weights_test`"}
    elsewhere |= {f"`{name}`" for name in ("DenseImageData", "ImageSegData", "SegAccuracy")}
    assert rows == {case.row for case in CASES.values()} | elsewhere
    types = {name for name in layer_type_list() if layer_forks(name)}
    assert types <= {row.strip("`") for row in rows}
