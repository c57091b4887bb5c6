"""With force an earlier run goes once the new one has taken a step; and what is said of results."""

import os

import pytest
from tiny_segmentation import write_dataset
from tiny_stages import FAMILY, stages, write_family

from caffeformat.files import entries_of
from fcnkit import engine
from fcnkit.training import StageResult, curves, declines, train_stages
from fcnkit.training.stages.folders import set_aside


def earlier(tmp_path):
    folder = tmp_path / "stage"
    folder.mkdir()
    (folder / "weights").write_text("old")
    return folder


def test_what_was_set_aside_comes_back_if_nothing_new_began(tmp_path):
    folder = earlier(tmp_path)
    with pytest.raises(KeyboardInterrupt), set_aside([str(folder)]):
        assert not folder.exists()
        folder.mkdir()
        (folder / "start").write_text("new")
        raise KeyboardInterrupt
    assert os.listdir(folder) == ["weights"] and os.listdir(tmp_path) == ["stage"]


def test_what_was_set_aside_is_removed_once_something_new_began(tmp_path):
    folder = earlier(tmp_path)
    with pytest.raises(KeyboardInterrupt), set_aside([str(folder)]) as remove:
        folder.mkdir()
        (folder / "start").write_text("new")
        remove()
        remove()
        raise KeyboardInterrupt
    assert os.listdir(folder) == ["start"] and os.listdir(tmp_path) == ["stage"]


@pytest.mark.slow
def test_force_starts_over(tmp_path, monkeypatch, needs_engine):
    monkeypatch.setattr(curves, "plot", lambda *_: None)
    data = write_dataset(tmp_path / "data")
    two = stages(write_family(tmp_path / "family"), FAMILY[:2], iterations=1)
    run = tmp_path / "run"
    for name in FAMILY[:2]:
        (run / name).mkdir(parents=True)
        (run / name / "stage.json").write_text('{"agreement": 1, "start": {}, "end": {"old": 1}}')
    seen = []

    def stop():
        seen.append(entries_of(run))
        return False

    results = list(train_stages(two, run, data, force=True, stop=stop))
    # Asked before the first step is counted, then after it
    assert seen[1] == ["shapes_fcn32s"] and "old" not in results[1].end
    assert sorted(os.listdir(run)) == sorted(FAMILY[:2])


@pytest.mark.slow
def test_several_processes_start_over_with_their_first_step(tmp_path, monkeypatch):
    pytest.importorskip("torchcaffe")
    monkeypatch.setenv(engine.VARIABLE, "torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    data = write_dataset(tmp_path / "data")
    (one,) = stages(write_family(tmp_path / "family"), FAMILY[:1], iterations=2)
    run = tmp_path / "run"
    (run / one.name).mkdir(parents=True)
    (run / one.name / "stage.json").write_text('{"agreement": 1, "start": {}, "end": {"old": 1}}')
    seen = []

    def stop():  # asked from the start, long before the processes take a step
        seen.append(any(name.startswith("before-") for name in os.listdir(run)))
        return False

    devices = engine.Devices(processes=2)
    (result,) = train_stages([one], run, data, gpu=devices, force=True, stop=stop)
    assert seen[0] and "old" not in result.end and os.listdir(run) == [one.name]


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_that_is_stopped_before_its_first_step_leaves_the_earlier_stages(
    tmp_path, monkeypatch, processes
):
    pytest.importorskip("torchcaffe")
    monkeypatch.setenv(engine.VARIABLE, "torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    data = write_dataset(tmp_path / "data")
    two = stages(write_family(tmp_path / "family"), FAMILY[:2], iterations=2)
    run = tmp_path / "run"
    record = '{"agreement": 1, "start": {}, "end": {"old": 1}}'
    for name in FAMILY[:2]:
        (run / name).mkdir(parents=True)
        (run / name / "stage.json").write_text(record)
    devices = engine.Devices(processes=processes)
    assert list(train_stages(two, run, data, gpu=devices, force=True, stop=lambda: True)) == []
    assert sorted(os.listdir(run)) == sorted(FAMILY[:2])
    for name in FAMILY[:2]:
        assert os.listdir(run / name) == ["stage.json"]
        assert (run / name / "stage.json").read_text() == record


def result(name, end, start=0.5, agreement=1.0):
    return StageResult(name, name, agreement, {"mean_iou": start}, end and {"mean_iou": end})


def test_a_stage_that_ended_worse_is_named():
    results = [result("a", 0.5), result("b", 0.4), result("c", 0.45), result("d", None)]
    (sentence,) = declines(results)
    assert "b ended worse than a: mean IoU 0.4000 after 0.5000" in sentence
    assert declines([result("a", 0.5), result("other data", 0.4, agreement=None)]) == []
    assert declines([result("a", float("nan")), result("b", 0.1), result("c", 0.1)]) == []
