"""A run of stages that ended early continues where it was, wherever that was."""

import os
from unittest import mock

import numpy as np
import pytest
from tiny_segmentation import write_dataset
from tiny_stages import FAMILY, stages, write_family

from caffeformat import InputError, read_caffemodel
from fcnkit.training import Observer, Start, curves, train_stages

pytestmark = pytest.mark.usefixtures("needs_engine")


class Killed(BaseException):
    """Simulates the end of the process; no error handler catches it."""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda *_: None)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return stages(write_family(tmp_path_factory.mktemp("family")), FAMILY[:2])


@pytest.fixture(scope="module")
def whole(two, data, tmp_path_factory):
    """Results and last weights of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    with mock.patch.object(curves, "plot"):
        results = list(train_stages(two, folder, data))
    return results, weights(folder)


def weights(run):
    path = os.path.join(run, "shapes_fcn16s", "shapes_fcn16s_iter_4.caffemodel")
    return {
        name: [np.array(blob) for blob in blobs] for name, blobs in read_caffemodel(path).items()
    }


def assert_as_whole(results, whole):
    wanted, arrays = whole
    for result, other in zip(results, wanted):
        assert result.name == other.name and result.end == pytest.approx(other.end)
        assert result.agreement == other.agreement
    for name, blobs in weights("run").items():
        for ours, theirs in zip(blobs, arrays[name]):
            assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-5), name


class Until:
    """Asks for an end after some steps."""

    def __init__(self, steps):
        self.left = steps

    def __call__(self):
        self.left -= 1
        return self.left <= 0


@pytest.mark.slow
def test_a_run_that_ended_early_continues_where_it_was(two, data, whole):
    *_, broken = train_stages(two, "run", data, stop=Until(6))
    assert broken.name == "shapes_fcn16s" and broken.end is None
    first = "run/shapes_fcn32s/shapes_fcn32s_iter_4.caffemodel"
    written = os.stat(first).st_mtime_ns
    assert_as_whole(list(train_stages(two, "run", data, Start(resume=True))), whole)
    assert os.stat(first).st_mtime_ns == written


@pytest.mark.slow
@pytest.mark.parametrize(
    "place, call",
    [
        # in the surgery for the second
        pytest.param("fcnkit.training.stages.run.write_caffemodel", 1, marks=pytest.mark.slow),
        ("fcnkit.training.stages.run.write_label", 5),  # among the first masks of the second
        # among its last masks
        pytest.param("fcnkit.training.stages.run.write_label", 8, marks=pytest.mark.slow),
        # when only the last scores are to be written down
        ("fcnkit.training.stages.run.write_json", 4),
    ],
)
def test_a_run_killed_anywhere_gives_the_same_results(two, data, whole, monkeypatch, place, call):
    calls = []
    module, _, name = place.rpartition(".")
    real = getattr(__import__(module, fromlist=[name]), name)

    def dies(*args, **kwargs):
        calls.append(None)
        if len(calls) == call:
            raise Killed
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(place, dies)
        with pytest.raises(Killed):
            list(train_stages(two, "run", data))
    assert_as_whole(list(train_stages(two, "run", data, Start(resume=True))), whole)


@pytest.mark.slow
def test_a_trained_stage_is_not_trained_again(two, data, monkeypatch):
    def killed(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("fcnkit.training.stages.run.write_label", killed)
        with pytest.raises(Killed):
            list(train_stages(two[:1], "run", data))
    steps = []

    class Counting(Observer):
        def step(self, done, *_):
            steps.append(done)

    (result,) = train_stages(two[:1], "run", data, Start(resume=True), observer=Counting())
    assert result.end and not steps
    assert len(os.listdir("run/shapes_fcn32s/masks")) == 3


@pytest.mark.slow
def test_weights_for_a_run_that_began_without_them_are_refused(two, data):
    list(train_stages(two[:1], "run", data, stop=Until(1)))
    kept = sorted(os.listdir("run/shapes_fcn32s"))
    with pytest.raises(InputError, match=r"began without weights, so w\.caffemodel comes too late"):
        list(train_stages(two[:1], "run", data, Start("w.caffemodel", resume=True)))
    assert sorted(os.listdir("run/shapes_fcn32s")) == kept
