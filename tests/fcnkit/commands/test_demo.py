"""The demo: every step of the job, the page at its end, and nothing of others' removed."""

import types
from pathlib import Path

import pytest

from caffeformat import InputError
from fcnkit.commands import demo, main
from fcnkit.demo import report, steps
from fcnkit.training import Observer

TINY = steps.Sizes(train=4, val=2, classifier_iterations=2, fcn_iterations=2)


class InThisProcess:
    """In place of the demo's worker process, whose start takes longer than all the steps."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def apply_async(self, function, arguments):
        outcome = function(*arguments)
        return types.SimpleNamespace(get=lambda: outcome)


@pytest.mark.slow
def test_the_whole_job_on_a_few_images(tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "_one_worker", InThisProcess)
    lines = []

    class Listener(Observer):
        def note(self, text):
            lines.append(text)

    outcome = steps.run(tmp_path / "demo", seed=1, sizes=TINY, observer=Listener())
    assert {"fcn", "from scratch", "colour"} == set(outcome.boards)
    assert all(len(board.images) == 2 for board in outcome.boards.values())
    assert (
        lines[0].startswith("Generating") and "Net surgery: the classifier becomes an FCN" in lines
    )
    assert any(line.startswith("coercing fc6") for line in outcome.surgery)
    page = Path(report.write(outcome)).read_text(encoding="utf-8")
    # Two images, four pictures each, and three curves, all within the page.
    assert page.count("data:image/png;base64,") == 2 * 4 + 3
    assert "<script" not in page
    assert len(demo.format_comparison(outcome).splitlines()) == 4


def test_a_folder_of_something_else_stays(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    for arguments in ([], ["--force"]):
        assert main.main(["demo", "--output", str(tmp_path), *arguments]) == 1
    assert str(tmp_path) in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_surgery_beats_colour_and_a_start_from_scratch(tmp_path, seed):
    outcome = steps.run(tmp_path / "demo", seed)
    fcn, scratch, colour = (
        steps.foreground_iou(outcome.boards[key]) for key in ("fcn", "from scratch", "colour")
    )
    print(f"seed {seed}: {fcn:.4f}, from scratch {scratch:.4f}, colour {colour:.4f}")
    assert fcn >= 0.75
    assert fcn >= colour + 0.3
    assert fcn > scratch


def test_clear_takes_only_a_demos_folder(tmp_path):
    steps.clear(tmp_path / "nothing")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "shapes.tar").touch()
    (tmp_path / "a" / "lmdb").mkdir()
    steps.clear(tmp_path / "a")
    assert not any((tmp_path / "a").iterdir())
    (tmp_path / "a" / "shapes.tar").touch()
    (tmp_path / "a" / "thesis").touch()
    with pytest.raises(InputError, match="more than a demo leaves \\(thesis\\)"):
        steps.clear(tmp_path / "a")
    assert (tmp_path / "a" / "shapes.tar").exists()
    (tmp_path / "notes").touch()
    with pytest.raises(InputError, match="not a demo's folder"):
        steps.clear(tmp_path)
