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
