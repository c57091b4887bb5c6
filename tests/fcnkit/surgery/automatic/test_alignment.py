"""FCNs of random classifiers put what they see where it was: measured by running them.

With kernels that average, a linear ramp has to come back as that ramp, and an impulse in its place
on average over one stride, wherever strides, kernels, paddings and rounding lie.
"""

import numpy as np
import pytest
from alignment_measures import (
    Averaging,
    check_alignment,
    mean_displacement,
    ramp_error,
    random_choice_of_stride,
)

from caffeformat import InputError, geometry, infer_shapes, parse_text, pb

_WINDOW = "kernel_size: %d stride: %d pad: %d"


def random_classifier(random):
    """A `NetParameter` of one channel: convolutions, strides of 2 and 3, inner product or pool."""
    layers, bottom, stride = [], "data", 1

    def add(kind, kernel, step, pad):
        nonlocal bottom
        name = f"layer{len(layers)}"
        window = _WINDOW % (kernel, step, pad)
        rounding = "FLOOR" if random.rand() < 0.5 else "CEIL"
        param = {
            "Convolution": f"convolution_param {{ num_output: 1 {window} }}",
            "Pooling": f"pooling_param {{ pool: AVE round_mode: {rounding} {window} }}",
        }[kind]
        layers.append(
            f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{name}" {param} }}'
        )
        bottom = name
        if random.rand() < 0.3:
            layers.append(
                f'layer {{ name: "{name}r" type: "ReLU" bottom: "{name}" top: "{name}" }}'
            )

    for _ in range(random.randint(1, 5)):
        for _ in range(random.randint(0, 3)):
            kernel = random.randint(1, 6)
            add("Convolution", kernel, 1, random.randint(0, kernel))
        step = random.choice([2, 2, 3])
        if stride * step > 24:
            break
        kind = random.choice(["Convolution", "Pooling"])
        kernel = random.randint(1 if kind == "Convolution" else step, 6)
        add(kind, kernel, step, random.randint(0, kernel))
        stride *= step
    if random.rand() < 0.4:
        layers.append(
            f'layer {{ name: "global" type: "Pooling" bottom: "{bottom}" top: "global" '
            "pooling_param { pool: AVE global_pooling: true } }"
        )
        bottom = "global"
    layers.append(
        f'layer {{ name: "fc" type: "InnerProduct" bottom: "{bottom}" top: "fc" '
        "inner_product_param { num_output: 7 } }"
    )
    size = 1
    while True:
        data = 'layer { name: "data" type: "Input" top: "data" input_param { shape { '
        data += f"dim: 1 dim: 1 dim: {size} dim: {size} }} }} }}"
        net = parse_text("\n".join([data, *layers]), pb.NetParameter)
        try:
            infer_shapes(net)
        except InputError:
            size += 1
            continue
        # Up to a few features a side are left of the classifier's input.
        net.layer[0].input_param.shape[0].dim[2:] = [size + stride * random.randint(0, 3)] * 2
        return net


def random_fcn(random):
    """An `FCN` of a random classifier."""
    return random_choice_of_stride(random, random_classifier(random))


def check(caffe, seed):
    check_alignment(caffe, random_fcn(np.random.RandomState(seed)))


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize("seed", range(30))
def test_a_ramp_and_an_impulse_stay_in_place(seed):
    check(pytest.importorskip("torchcaffe"), seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(30, 270, 30))
def test_a_ramp_and_an_impulse_stay_in_place_for_many_more(first):
    for seed in range(first, first + 30):
        check(pytest.importorskip("torchcaffe"), seed)


def test_the_measures_notice_a_crop_that_is_off_by_one():
    caffe = pytest.importorskip("torchcaffe")
    fcn = random_fcn(np.random.RandomState(4))
    fcn.net.layer[-1].crop_param.offset[0] += 1
    net = Averaging(caffe, fcn)
    size = 2 * geometry.receptive_fields(fcn.net)["score"].size[0] + 4 * fcn.stages[0].stride
    assert ramp_error(net, size, fcn.stages[0].stride) > 0.9
    assert mean_displacement(net, size, fcn.stages[0].stride) > 0.9
