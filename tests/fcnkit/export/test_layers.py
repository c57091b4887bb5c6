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
