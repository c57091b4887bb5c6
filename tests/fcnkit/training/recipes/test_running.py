"""A recipe of one's own is trained, killed anywhere, and continued by the same command."""

import glob
import json
import os

import numpy as np
import pytest
from tiny_segmentation import write_dataset

from caffeformat import InputError, read_caffemodel
from fcnkit import engine
from fcnkit.commands import main
from fcnkit.training import curves, read_recipe, train_recipe

pytestmark = pytest.mark.usefixtures("needs_engine")

RECIPE = """
[recipe]
network = shapes_fcn32s
classes = 3
form = width=0.03125
fill = msra
iterations = 4
batch_size = 2
images_per_update = 4
base_lr = 1e-9
augment = flip=yes
keep = 1

[stage large]
data = large
optional = yes

[stage first]
data = first

[stage second]
data = second
after = best
test_interval = 2
"""


class Killed(BaseException):
    """Simulates the end of the process; no error handler catches it."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {
        "first": write_dataset(folder / "first"),
        "second": write_dataset(folder / "second", train=5, val=2),
    }


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda *_: None)
    (tmp_path / "mine.ini").write_text(RECIPE)
    return tmp_path


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The folder of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "mine.ini").write_text(RECIPE)
    list(train_recipe(read_recipe(folder / "mine.ini"), folder / "run", data))
    return folder / "run"


def run(data, *changes, **options):
    return list(train_recipe(read_recipe("mine.ini", changes), "run", data, **options))


def weights(path):
    return [np.array(b) for blobs in read_caffemodel(path).values() for b in blobs]


def assert_same_weights(whole):
    found = glob.glob(f"{whole}/*/*.caffemodel")
    paths = sorted(os.path.relpath(path, whole) for path in found)
    assert sorted(glob.glob("run/*/*.caffemodel")) == [os.path.join("run", path) for path in paths]
    for path in paths:
        for ours, theirs in zip(weights(os.path.join("run", path)), weights(whole / path)):
            assert np.allclose(ours, theirs, rtol=1e-5, atol=1e-7), path


@pytest.mark.slow
def test_stages_are_trained_on_their_own_data(whole, data):
    assert sorted(os.listdir(whole)) == ["first", "networks", "second"]
    records = [json.loads((whole / name / "stage.json").read_text()) for name in data]
    assert all(0 <= record["end"]["mean_iou"] <= 1 for record in records)
    # Masks of other images have nothing to agree with.
    assert records[1]["agreement"] is None and records[1]["start"] is not None
    assert records[0]["settings"]["images"] == "8 and 3"
    assert len(os.listdir(whole / "second" / "masks")) == 2
    best = weights(whole / "first" / "shapes_fcn32s_best.caffemodel")
    start = weights(whole / "second" / "start.caffemodel")
    assert all(np.array_equal(a, b) for a, b in zip(best, start))
    solver = (whole / "second" / "solver.prototxt").read_text()
    assert "iter_size: 2" in solver and "test_interval: 2" in solver


@pytest.mark.slow
@pytest.mark.parametrize(
    "place, call",
    [
        ("write_label", 4),  # among the first masks of the second stage
        # when the first stage's scores are to be recorded
        pytest.param("write_json", 2, marks=pytest.mark.slow),
        pytest.param("write_caffemodel", 1, marks=pytest.mark.slow),
        pytest.param("write_label", 6, marks=pytest.mark.slow),
    ],
)
def test_the_same_again_continues_a_killed_run(data, whole, monkeypatch, place, call):
    from fcnkit.training.stages import run as module

    calls, real = [], getattr(module, place)

    def dies(*args, **kwargs):
        calls.append(None)
        if len(calls) == call:
            raise Killed
        return real(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(module, place, dies)
        run(data)
    results = run(data)
    assert [result.name for result in results] == ["first", "second"]
    assert_same_weights(whole)


@pytest.mark.slow
def test_other_settings_do_not_continue_a_run(data, here):
    class Stop:
        left = 3

        def __call__(self):
            self.left -= 1
            return self.left <= 0

    (broken,) = run(data, stop=Stop())
    assert broken.end is None
    with pytest.raises(InputError, match=r"first: was begun with other settings \(base_lr was 1e-"):
        run(data, "first.base_lr=1e-8")
    # What does not change the weights may change.
    assert len(run(data, "first.keep=3")) == 2
    assert run(data, "iterations=2", force=True)[-1].end is not None


def test_torchrun_cannot_start_stages(data, monkeypatch):
    monkeypatch.setattr(engine, "has_launched", lambda: True)
    with pytest.raises(InputError, match="torchrun has started this process"):
        run(data)


@pytest.mark.slow
def test_the_command_trains_a_recipe(data, capsys):
    command = ["--recipe", "mine.ini", "-o", "run", "--iterations", "2,3", "--no-validation"]
    command += ["--data", *(f"{role}={folder}" for role, folder in data.items())]
    assert main.run_module("fcnkit.commands.train_stages", command) == 1
    assert "expected one value, or 3" in capsys.readouterr().err
    command[5] = "2,2,3"
    for _ in range(2):  # the second time, all is done
        assert (
            main.run_module(
                "fcnkit.commands.train_stages", [*command, "--set", "second.after=newest"]
            )
            == 0
        )
        assert "net and weights of the last stage are in" in capsys.readouterr().out
    assert glob.glob("run/second/*_iter_3.caffemodel")
