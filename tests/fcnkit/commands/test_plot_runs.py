"""plot_runs: several logs in one picture."""

import importlib
import os

import pytest
from PIL import Image

from caffeformat import InputError
from fcnkit.commands import main
from fcnkit.training import curves, plot_runs, read_runs

LINES = """\
I1126 20:00:00.000000 1 solver.cpp:347] Iteration {i}, Testing net (#0)
I1126 20:00:00.000000 1 solver.cpp:414]     Test net output #0: loss = {loss}
I1126 20:00:00.000000 1 training.py] Iteration {i}, test scores: pixel_accuracy = 0.9, mean_iou = {iou}
I1126 20:00:00.000000 1 solver.cpp:239] Iteration {i} (5 iter/s, 4s/20 iters), loss = {loss}
I1126 20:00:00.000000 1 sgd_solver.cpp:112] Iteration {i}, lr = 0.01
"""  # noqa: E501


def write_run(folder, iou=0.5):
    os.makedirs(folder)
    text = "".join(
        LINES.format(i=i, loss=1 / (i + 1), iou=iou - 0.1 * (i == 40)) for i in (0, 20, 40)
    )
    (folder / "train.log").write_text(text)
    return str(folder)


def command(*arguments):
    return main.run_module("fcnkit.commands.plot_runs", [str(a) for a in arguments])


@pytest.mark.slow
def test_runs_share_one_picture(tmp_path, capsys):
    one, two = write_run(tmp_path / "a" / "run"), write_run(tmp_path / "b" / "run", 0.7)
    picture = tmp_path / "both.png"
    assert command(one, os.path.join(two, "train.log"), "-o", picture) == 0
    said = capsys.readouterr().out
    assert "a/run" not in said and "run" in said and "best mean IoU 0.7000" in said
    image = Image.open(picture).convert("RGB")
    colours = {colour for _, colour in image.getcolors(1 << 24)}
    assert {(0x1F, 0x77, 0xB4), (0xFF, 0x7F, 0x0E)} <= colours  # a line of each run
    assert command(one, two, "-o", picture) == 1
    assert "--force" in capsys.readouterr().err
    assert command(one, two, "-o", picture, "--force") == 0
    assert "a/run  40 iterations, best mean IoU 0.5000" in capsys.readouterr().out


def test_the_command_says_what_each_run_reached(tmp_path, monkeypatch, capsys):
    module = importlib.import_module("fcnkit.commands.plot_runs")
    drawn = []
    monkeypatch.setattr(module, "plot_runs", lambda path, runs: drawn.append((path, list(runs))))
    one = write_run(tmp_path / "run")
    (tmp_path / "other.log").write_text(
        "I1126 20:00:00.000000 1 solver.cpp:228] Iteration 20, loss = 0.5\n"
    )
    picture = str(tmp_path / "both.png")
    assert command(one, tmp_path / "other.log", "-o", picture) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(None, 1)[1] == "40 iterations, best mean IoU 0.5000"
    assert lines[1].split(None, 1)[1] == "20 iterations"
    assert drawn == [(picture, [line.split()[0] for line in lines])]
    open(picture, "w").close()
    assert command(one, "-o", picture) == 1
    assert "--force" in capsys.readouterr().err and len(drawn) == 1


def test_names_are_as_long_as_they_have_to_be(tmp_path):
    paths = [write_run(tmp_path / name) for name in ("x/one/run", "x/two/run", "y/two/run")]
    assert list(read_runs(paths)) == ["x/one/run", "x/two/run", "y/two/run"]
    assert list(read_runs(paths[:2])) == ["one/run", "two/run"]
    assert list(read_runs(paths[:1])) == ["run"]


def test_a_log_of_bvlc_caffe_has_a_curve(tmp_path):
    log = tmp_path / "caffe.log"
    log.write_text("I1126 20:00:00.000000 1 solver.cpp:228] Iteration 20, loss = 0.5\n")
    plot_runs(tmp_path / "one.svg", read_runs([log]))
    assert (tmp_path / "one.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize("what, words", [("", "no lines such as"), (None, "is not an output of")])
def test_what_has_no_curves_is_named(tmp_path, what, words):
    folder = tmp_path / "run"
    folder.mkdir()
    if what is not None:
        (folder / "train.log").write_text(what)
    with pytest.raises(InputError, match=words):
        read_runs([folder])
    with pytest.raises(InputError, match="there is no such file"):
        read_runs([tmp_path / "nowhere"])
    with pytest.raises(InputError, match=r"expected a name that ends in \.png"):
        plot_runs(tmp_path / "picture.jpg", {})


def test_tests_are_solid_with_points_and_training_is_dashed_whatever_a_log_has(
    tmp_path, monkeypatch
):
    styles = []
    monkeypatch.setattr(
        "matplotlib.axes.Axes.plot",
        lambda self, x, y, linestyle="-", marker=None, **_: styles.append((linestyle, marker)),
    )
    tested = LINES.split("\n")[2].format(i=20, iou=0.5)
    for name, line in (("a", tested), ("b", tested.replace("test scores", "train scores"))):
        (tmp_path / name).write_text(line + "\n")
        plot_runs(tmp_path / f"{name}.png", read_runs([tmp_path / name]))
    assert styles == [("-", "o")] * 2 + [("--", "o")] * 2


def test_names_that_matplotlib_reads_as_formulas_or_hides(tmp_path):
    rows = [{"iteration": 0, "loss": 1.0}, {"iteration": 20, "loss": 0.5, "test_$a$": 0.3}]
    runs = {"_first": rows, "costs $\\bar": rows, "\x1b[31mred": rows}
    plot_runs(tmp_path / "runs.svg", runs)
    curves.plot(tmp_path / "curves.png", rows, "net $\\bar")
    assert curves.label_text("_first") == " _first"
    assert (tmp_path / "runs.svg").exists() and (tmp_path / "curves.png").exists()


def test_logs_without_a_curve_are_named(tmp_path):
    with pytest.raises(InputError, match=r"^run: has no curves to draw: expected one of loss"):
        plot_runs(tmp_path / "runs.png", {"run": [{"iteration": 0, "test_accuracy": 1.0}]})
    assert not (tmp_path / "runs.png").exists()
