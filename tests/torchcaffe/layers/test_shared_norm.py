"""BatchNorm over the batches of several solvers: as one solver with all of them."""

import threading

import numpy as np
import pytest
import torch

import torchcaffe as caffe
from caffeformat import parse_text, pb
from torchcaffe.core import process
from torchcaffe.layers import loss, shared_norm

LAYERS = {
    "BatchNorm": 'type: "BatchNorm"',
    "NVIDIA": 'type: "BatchNorm" batch_norm_param { scale_bias: true }',
    "PSPNet": 'type: "BN" bn_param { slope_filler { type: "constant" value: 0.5 } frozen: false }',
    "SegNet": 'type: "BN" bn_param { scale_filler { type: "constant" value: 0.5 } '
    'shift_filler { type: "constant" value: 0.1 } }',
}
PARTS = [(2, 5, 4), (1, 5, 4), (1, 7, 3)]  # N, H, W: solvers may have batches of any size


class Exchange:
    """Stands in for the exchange between processes: solvers are threads, which meet in turn."""

    def __init__(self, count):
        self.barrier = threading.Barrier(count, timeout=20)
        self.tensors = [None] * count
        self.rank = threading.local()
        self.met = 0

    def gather(self, tensor):
        self.tensors[self.rank.value] = tensor
        self.barrier.wait()
        found = torch.stack(self.tensors)
        if self.rank.value == 0:
            self.met += 1
        self.barrier.wait()
        return found

    def add_up(self, tensors):
        for tensor in tensors:
            tensor.copy_(self.gather(tensor.clone()).sum(0))


def net_of(layer, size, phase=caffe.TRAIN):
    text = f"""force_backward: true
    layer {{ name: "x" type: "Input" top: "x"
      input_param {{ shape {{ dim: {size[0]} dim: 3 dim: {size[1]} dim: {size[2]} }} }} }}
    layer {{ name: "norm" bottom: "x" top: "top" {layer} }}
    """
    return caffe.Net(net_param=parse_text(text, pb.NetParameter), phase=phase)


def run(net, x, diff):
    net.blobs["x"].data[...] = x
    net.forward()
    net.blobs["top"].diff[...] = diff
    net.backward()
    params = [blob for name in net.params for blob in net.params[name]]
    return {
        "top": net.blobs["top"].data.copy(),
        "diff": net.blobs["x"].diff.copy(),
        "params": [blob.data.copy() for blob in params],
        "paramdiffs": [blob.diff.copy() for blob in params],
    }


@pytest.fixture
def exchange(monkeypatch):
    found = Exchange(len(PARTS))
    monkeypatch.setattr(shared_norm, "gather", found.gather)
    monkeypatch.setattr(shared_norm, "add_up", found.add_up)
    monkeypatch.setattr(process, "_count", len(PARTS))
    monkeypatch.setattr(process, "_sync_batch_norm", True)
    return found


@pytest.mark.parametrize("kind", LAYERS)
def test_solvers_normalize_as_one_by_one_exchange_each_way(kind, exchange, monkeypatch):
    random = np.random.RandomState(0)
    xs, diffs = (
        [random.standard_normal((n, 3, h, w)).astype(np.float32) for n, h, w in PARTS]
        for _ in range(2)
    )
    xs = [x * (rank + 1) + 5 * rank for rank, x in enumerate(xs)]
    nets = [net_of(LAYERS[kind], size) for size in PARTS]
    found = [None] * len(PARTS)

    def solve(rank):
        exchange.rank.value = rank
        found[rank] = run(nets[rank], xs[rank], diffs[rank])

    threads = [threading.Thread(target=solve, args=(rank,)) for rank in range(len(PARTS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert exchange.met == 2

    # One solver with all of them: every pixel an image of its own
    monkeypatch.setattr(process, "_sync_batch_norm", False)

    def flat(arrays):
        return np.concatenate([a.transpose(0, 2, 3, 1).reshape(-1, 3) for a in arrays])

    whole = net_of(LAYERS[kind], (sum(n * h * w for n, h, w in PARTS), 1, 1))
    expected = run(whole, *(flat(arrays)[:, :, None, None] for arrays in (xs, diffs)))
    for name in ("top", "diff"):
        joined = flat([part[name] for part in found])
        np.testing.assert_allclose(joined, expected[name][:, :, 0, 0], rtol=1e-4, atol=1e-5)
    for part in found:
        for mine, theirs in zip(part["params"], expected["params"]):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    for mine, theirs in zip(zip(*(part["paramdiffs"] for part in found)), expected["paramdiffs"]):
        np.testing.assert_allclose(sum(mine), theirs, rtol=1e-4, atol=1e-4)


def test_gradients_are_those_of_the_formula(exchange, monkeypatch):
    monkeypatch.setattr(shared_norm, "gather", lambda tensor: torch.stack([tensor]))
    monkeypatch.setattr(shared_norm, "add_up", lambda tensors: None)
    x = torch.randn(3, 2, 4, dtype=torch.float32, requires_grad=True)
    scale, bias = (torch.randn(2, requires_grad=True) for _ in range(2))
    diff = torch.randn(3, 2, 4)
    statistics = shared_norm.shared_statistics(x)
    ours = shared_norm.shared_norm(x, scale, bias, statistics, 1e-3)
    theirs = torch.batch_norm(x, scale, bias, None, None, True, 0.0, 1e-3, False)
    torch.testing.assert_close(ours, theirs)
    gradients = [torch.autograd.grad(top, (x, scale, bias), diff) for top in (ours, theirs)]
    for mine, reference in zip(*gradients):
        torch.testing.assert_close(mine, reference, rtol=1e-4, atol=1e-5)


def test_tests_and_lone_solvers_normalize_by_themselves(monkeypatch):
    for count, phase in ((1, caffe.TRAIN), (3, caffe.TEST)):
        monkeypatch.setattr(process, "_count", count)
        monkeypatch.setattr(process, "_sync_batch_norm", True)
        layer = LAYERS["SegNet"]  # which uses the batch's statistics in both phases
        run(net_of(layer, (2, 4, 4), phase), np.ones((2, 3, 4, 4)), np.ones((2, 3, 4, 4)))


@pytest.mark.parametrize("mode", ["VALID", "FULL", "BATCH_SIZE", "NONE"])
def test_the_mean_of_the_solvers_losses_is_the_loss_of_all_batches(mode, exchange, monkeypatch):
    monkeypatch.setattr(loss, "is_joined", lambda: True)
    monkeypatch.setattr(loss, "add_up", exchange.add_up)
    monkeypatch.setattr(loss, "solver_count", lambda: len(PARTS))
    random = np.random.RandomState(0)

    def loss_of(scores, labels):
        n, pixels = scores.shape[0], scores.shape[2]
        text = f"""
        layer {{ name: "in" type: "Input" top: "s" top: "y" input_param {{
          shape {{ dim: {n} dim: 4 dim: {pixels} }} shape {{ dim: {n} dim: 1 dim: {pixels} }} }} }}
        layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "s" bottom: "y" top: "loss"
          loss_param {{ ignore_label: 255 normalization: {mode} }} }}"""
        net = caffe.Net(net_param=parse_text(text, pb.NetParameter), phase=caffe.TRAIN)
        net.blobs["s"].data[...], net.blobs["y"].data[...] = scores, labels
        return float(net.forward()["loss"])

    sizes = [2, 1, 1]
    scores = [random.standard_normal((n, 4, 6)).astype(np.float32) for n in sizes]
    labels = [random.randint(0, 4, (n, 1, 6)) for n in sizes]
    labels[0][0, 0, :5] = labels[1][0] = 255
    found = [0.0] * len(sizes)

    def solve(rank):
        exchange.rank.value = rank
        found[rank] = loss_of(scores[rank], labels[rank])

    threads = [threading.Thread(target=solve, args=(rank,)) for rank in range(len(sizes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.setattr(loss, "is_joined", lambda: False)
    whole = loss_of(np.concatenate(scores), np.concatenate(labels))
    assert np.mean(found) == pytest.approx(whole, rel=1e-5)


def test_a_single_value_per_channel_has_a_backward_pass():
    """As after a global pooling, with one image: its unbiased variance is 0 / 0."""
    net = caffe.Net(
        net_param=parse_text(
            'force_backward: true layer { name: "x" type: "Input" top: "x" '
            "input_param { shape { dim: [1, 3, 1, 1] } } } "
            'layer { name: "bn" type: "BatchNorm" bottom: "x" top: "bn" } '
            'layer { name: "s" type: "Scale" bottom: "bn" top: "s" '
            "scale_param { bias_term: true } }",
            pb.NetParameter,
        ),
        phase=caffe.TRAIN,
    )
    net.blobs["x"].data[...] = 2
    net.forward()
    net.blobs["s"].diff[...] = 1
    net.backward()
    assert not net.blobs["x"].diff.any()
    assert (net.params["s"][1].diff == 1).all() and not net.params["bn"][1].data.any()
