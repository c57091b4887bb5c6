import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fork_layers import run_layer  # noqa: E402

import torchcaffe as caffe  # noqa: E402
from caffeformat import InputError, NetSpec, layers  # noqa: E402

pytestmark = pytest.mark.both_modes


def _resized(image, height, width):
    """Bilinear, corners on corners, of H x W."""
    rows = np.linspace(0, image.shape[0] - 1, height) if height > 1 else np.zeros(1)
    columns = np.linspace(0, image.shape[1] - 1, width) if width > 1 else np.zeros(1)
    result = np.empty((height, width))
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            y0, x0 = min(int(y), image.shape[0] - 1), min(int(x), image.shape[1] - 1)
            y1, x1 = min(y0 + 1, image.shape[0] - 1), min(x0 + 1, image.shape[1] - 1)
            top = image[y0, x0] * (1 - x + x0) + image[y0, x1] * (x - x0)
            bottom = image[y1, x0] * (1 - x + x0) + image[y1, x1] * (x - x0)
            result[i, j] = top * (1 - y + y0) + bottom * (y - y0)
    return result


@pytest.mark.parametrize(
    "settings, cropped, height, width",
    [
        ("zoom_factor: 3", np.s_[:], 13, 16),
        ("shrink_factor: 2", np.s_[:], 3, 3),
        ("shrink_factor: 2 zoom_factor: 4", np.s_[:], 9, 9),
        ("height: 4 width: 9", np.s_[:], 4, 9),
        ("height: 1 width: 1", np.s_[:], 1, 1),
        ("height: 7 width: 7 zoom_factor: 2", np.s_[:], 9, 11),
        ("height: 7 width: 8 zoom_factor: 2 shrink_factor: 2", np.s_[:], 7, 8),
        ("zoom_factor: 2 pad_beg: -1 pad_end: -2", np.s_[1:-2], 3, 5),
        ("zoom_factor: 1", np.s_[:], 5, 6),
    ],
)
def test_interp_is_bilinear_with_corners_on_corners(settings, cropped, height, width):
    x = np.random.RandomState(0).randn(2, 3, 5, 6)
    text = f'name: "up" type: "Interp" bottom: "x" top: "y" interp_param {{ {settings} }}'
    (top,), _ = run_layer(text, [x])
    expected = [[_resized(c[cropped, cropped], height, width) for c in image] for image in x]
    assert np.allclose(top, expected, atol=1e-12)


@pytest.mark.parametrize(
    "settings, problem",
    [
        ("", "its size is missing"),
        ("height: 4", "its size is missing"),
        ("zoom_factor: 0", "zoom_factor is 0"),
        ("zoom_factor: 2 pad_beg: 1", "only crops"),
        ("zoom_factor: 2 pad_beg: -3 pad_end: -3", r"cannot interpolate \(5, 6\)"),
        ("height: -1 width: 4", "cannot interpolate"),
    ],
)
def test_an_interp_layer_that_cannot_be_is_refused_with_its_name(settings, problem):
    text = f'name: "up" type: "Interp" bottom: "x" top: "y" interp_param {{ {settings} }}'
    with pytest.raises(InputError, match=f'layer "up".*{problem}'):
        run_layer(text, [np.zeros((1, 1, 5, 6))])


def test_a_net_with_interp_follows_its_input_and_hands_gradients_down():
    n = NetSpec()
    n.data = layers.Input(shape={"dim": [1, 2, 4, 4]})
    n.up = layers.Interp(n.data, zoom_factor=2)
    message = n.to_proto()
    message.force_backward = True
    net = caffe.Net(net_param=message, phase=caffe.TEST)
    net.blobs["data"].reshape(1, 2, 6, 3)
    net.blobs["data"].data[...] = 1
    assert net.forward()["up"].shape == (1, 2, 11, 5)
    net.blobs["up"].diff[...] = 1
    net.backward()
    assert np.isclose(net.blobs["data"].diff.sum(), 2 * 11 * 5)
