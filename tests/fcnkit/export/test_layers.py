"""Layers that no golden case exports: every exported form computes what the engine does."""

import numpy as np
import pytest

from caffeformat import InputError, parse_text, pb
from fcnkit.runtimes.onnx_net import to_onnx

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")
torchcaffe = pytest.importorskip("torchcaffe")
export = pytest.importorskip("torchcaffe.export")

INTERP = """
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 9 dim: 8 } } }
layer { name: "up" type: "Interp" bottom: "x" top: "y" interp_param { %s } }
"""
ELTWISE = """
layer { name: "in" type: "Input" top: "x" top: "z" input_param { shape { dim: 1 dim: 5 } } }
layer { name: "it" type: "Eltwise" bottom: "x" bottom: "z" top: "y" eltwise_param { %s } }
"""


def assert_forms_agree(text, *sizes):
    """Module and ONNX model of the net `text`, made at its own size, against it at all `sizes`."""
    net = parse_text(text, pb.NetParameter)
    engine_net = torchcaffe.Net(net_param=net, phase=torchcaffe.TEST)
    module = export.to_module(net, {})
    session = onnxruntime.InferenceSession(to_onnx(net, {}).SerializeToString())
    for size in sizes:
        arrays = [
            np.random.RandomState(number).standard_normal(size).astype(np.float32)
            for number in range(len(engine_net.inputs))
        ]
        for name, array in zip(engine_net.inputs, arrays):
            engine_net.blobs[name].reshape(*size)
            engine_net.blobs[name].data[...] = array
        expected = engine_net.forward()["y"]
        made = module(*map(torch.from_numpy, arrays)).numpy()
        inputs = {value.name: array for value, array in zip(session.get_inputs(), arrays)}
        for found in (made, session.run(["y"], inputs)[0]):
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        "zoom_factor: 3",
        "shrink_factor: 3",
        "shrink_factor: 2 zoom_factor: 4",
        "height: 4 width: 11",
        "height: 1 width: 1",
        "height: 5 width: 5 zoom_factor: 2",
        "zoom_factor: 2 pad_beg: -1",
        "zoom_factor: 2 pad_end: -2",
        "shrink_factor: 2 pad_beg: -2 pad_end: -1",
        "height: 6 width: 7 pad_beg: -1 pad_end: -1",
    ],
)
def test_interp_resizes_images_of_any_size_corners_on_corners(settings):
    assert_forms_agree(INTERP % settings, (1, 2, 9, 8), (2, 2, 12, 7), (1, 2, 5, 17))


@pytest.mark.parametrize(
    "settings",
    ["coeff: 2 coeff: -0.5", "operation: MAX coeff: 2 coeff: -0.5", "operation: PROD"],
)
def test_coefficients_weigh_sums_alone(settings):
    assert_forms_agree(ELTWISE % settings, (1, 5))


POOLING = """
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 9 dim: 8 } } }
layer { name: "it" type: "Pooling" bottom: "x" top: "y" pooling_param { %s } }
"""


@pytest.mark.parametrize("pool", ["pool: AVE", "pool: MAX"])
@pytest.mark.parametrize(
    "settings",
    [
        "kernel_size: 1 stride: 2",
        "kernel_size: 2 stride: 3",
        "kernel_h: 1 kernel_w: 3 stride_h: 2 stride_w: 2",
        "kernel_size: 2 stride: 3 round_mode: FLOOR",
        "kernel_size: 3 stride: 2 pad: 2",
        "kernel_size: 3 stride: 4 pad: 2",
    ],
)
def test_pooling_that_skips_pixels_or_pads_by_more_than_half(pool, settings):
    assert_forms_agree(POOLING % f"{pool} {settings}", *((1, 2, n, n + 1) for n in range(5, 12)))


def test_pooling_that_skips_more_pixels():
    text = POOLING % "pool: MAX kernel_size: 2 stride: 5"
    assert_forms_agree(text, *((1, 2, n, n + 1) for n in range(5, 12)))
    net = parse_text(text.replace("MAX", "AVE"), pb.NetParameter)
    for export_as in (lambda: to_onnx(net, {}), lambda: export.to_module(net, {})):
        with pytest.raises(InputError, match="can skip one pixel between its windows"):
            export_as()


UNPOOLING = """
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 8 dim: 6 } } }
layer { name: "down" type: "Pooling" bottom: "x" top: "p" top: "mask" pooling_param { %s } }
layer { name: "up" type: "Upsample" bottom: "p" bottom: "mask" top: "y" upsample_param { %s } }
"""


@pytest.mark.parametrize(
    ("pooling", "upsampling", "sizes"),
    [
        ("kernel_size: 2 stride: 2", "scale: 2", [(8, 6), (4, 10)]),
        ("kernel_size: 2 stride: 2", "scale: 2 pad_out_h: true", [(7, 6), (9, 4)]),
        ("kernel_size: 2 stride: 2", "scale: 2 pad_out_w: true pad_out_h: true", [(7, 5), (9, 3)]),
        ("kernel_size: 2 stride: 2", "upsample_h: 9 upsample_w: 7", [(9, 7)]),
        ("kernel_size: 3 stride: 3 pad: 1", "upsample_h: 8 upsample_w: 6", [(8, 6)]),
    ],
)
def test_upsampling_puts_maxima_where_they_were(pooling, upsampling, sizes):
    text = UNPOOLING % (f"pool: MAX {pooling}", upsampling)
    assert_forms_agree(text, *((2, 2, *size) for size in sizes))


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
def test_global_pooling_is_over_images_of_any_size(pool):
    text = POOLING % f"pool: {pool} global_pooling: true"
    assert_forms_agree(text, (1, 2, 9, 8), (2, 2, 3, 5))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (POOLING % "pool: STOCHASTIC kernel_size: 2", 'layer "it".* only .*AVE.* can be exported'),
        (UNPOOLING % ("pool: AVE kernel_size: 2", "scale: 2"), 'layer "down".* a second top'),
        (UNPOOLING % ("global_pooling: true", "scale: 2"), 'layer "down".* a second top'),
    ],
)
def test_pooling_that_no_other_framework_has_is_refused(text, words):
    net = parse_text(text, pb.NetParameter)
    for export_as in (lambda: to_onnx(net, {}), lambda: export.to_module(net, {})):
        with pytest.raises(InputError, match=words):
            export_as()


LRN = """
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 6 dim: 5 dim: 4 } } }
layer { name: "it" type: "LRN" bottom: "x" top: "y" lrn_param { %s } }
"""


@pytest.mark.parametrize(
    "settings",
    [
        "local_size: 3 alpha: 0.5 beta: 0.6 k: 2",
        "norm_region: WITHIN_CHANNEL local_size: 3 alpha: 4",
    ],
)
def test_local_responses_are_normalized(settings):
    assert_forms_agree(LRN % settings, (1, 6, 5, 4), (2, 6, 7, 3))


@pytest.mark.parametrize("axes", [2, 3, 4])
def test_mvn_in_place_is_of_the_axes_that_its_bottom_had(axes):
    size = (2, 3, 5, 4)[:axes]
    dims = " ".join(f"dim: {length}" for length in size)
    assert_forms_agree(
        f'layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ {dims} }} }} }}'
        'layer { name: "twice" type: "Power" bottom: "x" top: "y" power_param { scale: 2 } }'
        'layer { name: "it" type: "MVN" bottom: "y" top: "y" mvn_param { across_channels: true } }',
        size,
    )
