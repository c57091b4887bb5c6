"""Losses on PyTorch's tensors: the numbers of NumPy's arrays, and all stays on the net's device."""

import json
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import simulated_accelerator  # noqa: E402

from caffeformat import InputError, parse_text, pb  # noqa: E402
from fcnkit import engine, losses  # noqa: E402

CUDA = torch.cuda.is_available()
PLACES = ["cpu", "cuda" if CUDA else simulated_accelerator.NAME]
CASES = [
    (losses.softmax, {}),
    (losses.focal, {"gamma": 2.0}),
    (losses.focal, {"gamma": 0.5}),
    (losses.focal, {"gamma": 0.0}),
    (losses.hard_pixels, {"threshold": 0.3, "keep": 0.0}),
    (losses.hard_pixels, {"threshold": 1e-6, "keep": 0.4}),
    (losses.hard_pixels, {"threshold": 1.0, "keep": 1.0}),
    (losses.dice, {}),
    (losses.dice, {"smooth": 0.1, "squared": True}),
    (losses.dice, {"present": False}),
]
NET = """
layer {{ name: "in" type: "Input" top: "data" top: "label"
  input_param {{
    shape {{ dim: 2 dim: 3 dim: 6 dim: 5 }} shape {{ dim: 2 dim: 1 dim: 6 dim: 5 }} }} }}
layer {{ name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param {{ num_output: 4 kernel_size: 1 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "Python" bottom: "score" bottom: "label" top: "loss" loss_weight: 2
  python_param {{ module: "{module}" layer: "{layer}" param_str: '{options}' }} }}
"""


def batch(size=(2, 5, 7, 9), ignored=255, seed=0):
    random = np.random.RandomState(seed)
    scores = random.standard_normal(size).astype(np.float32) * 4
    labels = random.randint(0, size[1], (size[0], 1, *size[2:])).astype(np.float32)
    labels[random.uniform(size=labels.shape) < 0.2] = ignored
    return scores, labels


@pytest.fixture(params=PLACES)
def place(request, monkeypatch):
    """A device, on which torchcaffe's nets are."""
    import torchcaffe
    from torchcaffe.core import device

    monkeypatch.setenv(engine.VARIABLE, "torch")
    if request.param != "cpu":
        monkeypatch.setattr(device, "GPU", request.param)
        torchcaffe.set_device(0)
        torchcaffe.set_mode_gpu()
    yield request.param
    torchcaffe.set_mode_cpu()


@pytest.mark.parametrize("ignore", [255, 0, -1, None])
@pytest.mark.parametrize(("function", "options"), CASES)
def test_tensors_give_the_numbers_of_arrays(function, options, ignore, place):
    scores, labels = batch(ignored=1 if ignore is None else ignore)
    tensors = [torch.from_numpy(array).to(place) for array in (scores, labels)]
    (value, gradient), (ours, our_gradient) = (
        function(*pair, ignore, **options) for pair in ((scores, labels), tensors)
    )
    found = our_gradient()
    assert {ours.device.type, found.device.type} == {place}
    assert isinstance(value, float) and ours.shape == () and found.dtype == torch.float32
    assert float(ours) == pytest.approx(value, rel=1e-6)
    wanted = gradient()
    np.testing.assert_allclose(found.cpu().numpy(), wanted, atol=2e-6 * np.abs(wanted).max())


@pytest.mark.parametrize(("function", "options"), CASES)
def test_scores_that_are_certain_equal_or_of_no_pixel_that_counts(function, options):
    scores, labels = batch()
    certain = scores * 100
    for given, truth in (
        (certain, labels),
        (np.zeros_like(scores), labels),
        (scores, np.full_like(labels, 255)),
        (scores + 1e4, labels),
    ):
        one, other = (
            function(*pair, 255, **options)
            for pair in ((given, truth), (torch.from_numpy(given), torch.from_numpy(truth)))
        )
        assert float(other[0]) == pytest.approx(one[0], rel=1e-5, abs=1e-9)
        wanted = one[1]()
        assert np.isfinite(wanted).all()
        np.testing.assert_allclose(other[1]().numpy(), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("label", [5, 254, -1, float("nan")])
def test_a_label_that_is_no_class_is_named(label, place):
    scores, labels = batch()
    labels[0, 0, 3, 4] = label
    with pytest.raises(InputError, match=f"a label is {label}, but the net scores classes 0 to 4"):
        losses.focal(*(torch.from_numpy(array).to(place) for array in (scores, labels)), 255)


class Parts(losses.Alone):
    """One of several threads that stand for processes which share a batch."""

    def __init__(self, board, place, barrier):
        self._board, self._place, self._barrier = board, place, barrier
        self.count = len(board)

    def total(self, x):
        self._board[self._place] = x
        self._barrier.wait(10)
        added = sum(self._board[1:], self._board[0] * 1)
        self._barrier.wait(10)
        return added


def in_parts(function, options, ends, scores, labels):
    """(value, gradient) of each part of a batch, the parts ending at the images `ends`."""
    begins = [0, *ends[:-1]]
    board, barrier = [None] * len(ends), threading.Barrier(len(ends))
    found = [None] * len(ends)

    def work(place):
        part = slice(begins[place], ends[place])
        shared = Parts(board, place, barrier)
        value, gradient = function(scores[part], labels[part], 255, **options, shared=shared)
        found[place] = float(value), np.asarray(gradient())

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(ends))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("ends", [(2, 4), (1, 4), (1, 2, 3, 4)])
@pytest.mark.parametrize(("function", "options"), CASES)
def test_processes_have_the_loss_of_the_whole_batch(function, options, ends, kind):
    """The mean of values is the whole batch's, and gradients are averaged, as a solver does."""
    scores, labels = batch((4, 5, 6, 7))
    labels[1] = 255  # a process may have no pixel that counts
    scores[2] *= 3
    value, gradient = function(scores, labels, 255, **options)
    found = in_parts(function, options, ends, kind(scores), kind(labels))
    assert np.mean([part for part, _ in found]) == pytest.approx(value, rel=1e-5)
    together = np.concatenate([part for _, part in found]) / len(ends)
    wanted = gradient()
    np.testing.assert_allclose(together, wanted, atol=2e-6 * np.abs(wanted).max())


def open_net(name, **options):
    text = NET.format(
        module=losses.MODULE, layer=losses.LOSSES[name].layer, options=json.dumps(options)
    )
    return engine.open_net(parse_text(text, pb.NetParameter), "TRAIN")


@pytest.mark.parametrize("name", losses.LOSSES)
def test_nothing_but_numbers_leaves_the_device(name, place, monkeypatch):
    """What a step looks at in the host's memory is counted: of every size above a few numbers."""
    net = open_net(name, ignore_label=255, softmax=0.5)
    data, labels = batch((2, 3, 6, 5))
    net.blobs["data"].data[...], net.blobs["label"].data[...] = data, labels
    # A step as a solver takes it, beside one whose numbers are looked at
    net.training.forward()
    from torchcaffe.core import blob

    looked_at = []
    copy = blob.host_copy
    monkeypatch.setattr(blob, "host_copy", lambda x: looked_at.append(x.numel()) or copy(x))
    for _ in range(2):
        net.clear_param_diffs()
        net.training.forward()
        net.training.backward()
    assert not looked_at
    assert not any(net.blobs[each].is_seen for each in ("score", "loss"))
    monkeypatch.undo()
    scores = net.blobs["score"].data
    value, gradient = losses.LOSSES[name].function(scores, labels, 255)
    plain, of_plain = losses.softmax(scores, labels, 255)
    assert float(net.blobs["loss"].data[0]) == pytest.approx(value + 0.5 * plain, rel=1e-5)
    wanted = np.einsum("nkhw,nchw->kc", 2 * (gradient() + 0.5 * of_plain()), data)
    found = net.params["score"][0].diff[:, :, 0, 0]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("name", losses.LOSSES)
def test_arrays_that_are_held_stay_live(name, place):
    """As pycaffe's users hold them: a script may keep blobs' arrays from before the first pass."""
    net = open_net(name, ignore_label=255)
    data, labels = batch((2, 3, 6, 5))
    loss, diff = net.blobs["loss"].data, net.blobs["score"].diff
    net.blobs["data"].data[...], net.blobs["label"].data[...] = data, labels
    net.forward()
    net.backward()
    value, gradient = losses.LOSSES[name].function(net.blobs["score"].data, labels, 255)
    assert float(loss[0]) == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(diff, 2 * gradient(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", losses.LOSSES)
def test_scores_in_lower_precision(name, precision):
    """The loss itself is computed in float32 from scores of that precision."""
    text = NET.format(module=losses.MODULE, layer=losses.LOSSES[name].layer, options="{}")
    net = engine.open_net(parse_text(text, pb.NetParameter), "TRAIN", precision=precision)
    data, labels = batch((2, 3, 6, 5), ignored=1)
    net.blobs["data"].data[...], net.blobs["label"].data[...] = data, labels
    net.training.forward()
    net.training.backward()
    assert net.blobs["score"].tensor().dtype == getattr(torch, precision)
    value, _ = losses.LOSSES[name].function(net.blobs["score"].data, labels)
    assert float(net.blobs["loss"].data[0]) == pytest.approx(value, rel=1e-5)


def test_the_classes_of_scores_are_found_where_they_are(place):
    """Of the first and of later passes, for scores that solvers' passes would free."""
    text = """
    layer { name: "in" type: "Input" top: "data" top: "label"
      input_param { shape { dim: 2 dim: 3 dim: 6 dim: 5 } shape { dim: 2 dim: 1 dim: 6 dim: 5 } } }
    layer { name: "score" type: "Convolution" bottom: "data" top: "score"
      convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "xavier" } } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }
    """
    net = engine.open_net(parse_text(text, pb.NetParameter), "TRAIN")
    for seed in range(3):
        data, labels = batch((2, 3, 6, 5), ignored=1, seed=seed)
        net.blobs["data"].data[...], net.blobs["label"].data[...] = data, labels
        net.training.forward()
        net.training.backward()
        found = engine.classes_of(net.blobs["score"])
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, net.blobs["score"].data.argmax(1))
    net.blobs["score"].data[...] = 1
    assert not engine.classes_of(net.blobs["score"]).any()
