import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torchcaffe as caffe  # noqa: E402
from caffeformat import parse_text, pb  # noqa: E402

pytestmark = pytest.mark.both_modes

NET = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }
layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }
"""


def test_statistics_do_not_depend_on_what_memory_held(monkeypatch):
    # New buffers come from used memory, which may hold anything.
    empty = torch.Tensor.new_empty
    monkeypatch.setattr(
        torch.Tensor, "new_empty", lambda self, *shape: empty(self, *shape).fill_(float("nan"))
    )
    net = caffe.Net(net_param=parse_text(NET, pb.NetParameter), phase=caffe.TRAIN)
    data = np.random.RandomState(0).randn(2, 3, 4, 4).astype(np.float32)
    net.forward(data=data)
    mean, variance, weight = (blob.data for blob in net.params["bn"])
    assert np.allclose(mean, data.mean((0, 2, 3)), atol=1e-5)
    assert np.allclose(variance, data.var((0, 2, 3), ddof=1), atol=1e-5)
    assert weight[0] == 1


SLICED = """
force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 5 dim: 3 dim: 4 } } }
layer { name: "slice" type: "Slice" bottom: "x" top: "a" top: "b"
  slice_param { slice_point: 2 } }
layer { name: "bn" type: "BatchNorm" bottom: "b" top: "bn" }
layer { name: "scale" type: "Scale" bottom: "bn" top: "bn" scale_param { bias_term: true } }
layer { name: "sigmoid" type: "Sigmoid" bottom: "bn" top: "y" }
layer { name: "loss" type: "Reduction" bottom: "y" top: "loss" loss_weight: 1
  reduction_param { operation: SUMSQ } }
"""
FORMATS = torch.contiguous_format, torch.channels_last


@pytest.mark.parametrize("order", FORMATS)
def test_a_part_of_a_tensor_is_normalized(order, monkeypatch):
    """cuDNN's backward takes only what is in one of two orders, and this is in none."""
    backward, given = torch.ops.aten._batch_norm_impl_index_backward, []

    def noted(way, x, diff, *rest):
        given.append([[t.is_contiguous(memory_format=f) for f in FORMATS] for t in (x, diff)])
        return backward(way, x, diff, *rest)

    monkeypatch.setattr(torch.ops.aten, "_batch_norm_impl_index_backward", noted)
    net = caffe.Net(net_param=parse_text(SLICED, pb.NetParameter), phase=caffe.TRAIN)
    data = torch.from_numpy(np.random.RandomState(0).randn(2, 5, 3, 4).astype(np.float32))
    net.blobs["x"].set_data(data.to(net.device).contiguous(memory_format=order))
    net.forward()
    net.backward()
    of_x, of_diff = given[0]
    assert of_x == of_diff
    assert of_x[FORMATS.index(order)]

    part = data[:, 2:].clone().requires_grad_()
    top = torch.nn.functional.batch_norm(part, None, None, training=True).sigmoid()
    top.square().sum().backward()
    np.testing.assert_allclose(net.blobs["b"].diff, part.grad, rtol=1e-3, atol=1e-6)
