"""The progress file: what those see who have no terminal."""

import json
from types import SimpleNamespace

from fcnkit import progress
from fcnkit.commands.console import Console
from fcnkit.progress import ProgressFile


def test_the_newest_step_with_the_time_left(tmp_path, monkeypatch):
    clock = iter([0.0, 0.5, 10.0, 10.1, 20.0])
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    file = ProgressFile(tmp_path / "progress.json")

    def read():
        return json.loads((tmp_path / "progress.json").read_text())

    file.step(0, 40, "train")
    file.step(1, 40, "train")  # too soon to write
    assert read() == {"done": 0, "total": 40, "what": "train", "figures": {}, "left": None}
    file.step(20, 40, "train", {"loss": float("nan"), "mean_iou": 0.5})
    assert read()["left"] == 10 and read()["figures"] == {"loss": None, "mean_iou": 0.5}
    file.step(40, 40, "train")  # the end is always written
    assert read()["done"] == 40
    file.step(1, None, "val")
    assert read() == {"done": 1, "total": None, "what": "val", "figures": {}, "left": None}


def test_commands_write_it_where_they_are_asked_to(tmp_path, monkeypatch):
    monkeypatch.setenv("FCNKIT_PROGRESS", str(tmp_path / "progress.json"))
    with Console() as console:
        console.step(3, 3, "images")
    assert json.loads((tmp_path / "progress.json").read_text())["done"] == 3


def test_work_goes_on_where_it_cannot_be_written(tmp_path):
    ProgressFile(tmp_path / "missing" / "progress.json").step(1, 2)
