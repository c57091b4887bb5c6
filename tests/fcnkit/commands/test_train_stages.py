"""Stage after stage: where each starts, what is measured, and what the command reports."""

import importlib
import json
import os

import numpy as np
import pytest
from tiny_segmentation import write_dataset
from tiny_stages import FAMILY, changed, stages, write_family

from caffeformat import pb, read_caffemodel, read_net, write_text
from fcnkit.commands import main
from fcnkit.images import read_label
from fcnkit.training import Stage, StageResult, curves, train_stages

pytestmark = pytest.mark.usefixtures("needs_engine")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return write_family(tmp_path_factory.mktemp("family"))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty current folder; curves are not drawn, to save time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda *_: None)


def command(family, data, *arguments, names=FAMILY):
    solvers = [os.path.join(family, name, "solver.prototxt") for name in names]
    return main.run_module(
        "fcnkit.commands.train_stages",
        [*solvers, "--data", data, "-o", "run", "--augment", "flip=yes", "--iterations", "6,4,4",
         "--batch-size", "2", "--no-validation", "--fill", "msra", *arguments],
    )  # fmt: skip


def arrays(path):
    return {name: [np.array(b) for b in blobs] for name, blobs in read_caffemodel(path).items()}


def masks(stage, kind):
    folder = f"run/{stage}/{kind}"
    return [read_label(os.path.join(folder, name)) for name in sorted(os.listdir(folder))]


def last_weights(folder, iteration):
    (found,) = [n for n in os.listdir(folder) if n.endswith(f"_iter_{iteration}.caffemodel")]
    return arrays(os.path.join(folder, found))


@pytest.mark.slow
def test_each_stage_starts_from_the_previous_one_with_its_new_scores_at_zero(family, data, capsys):
    assert command(family, data) == 0
    for coarse, fine, iteration, new in (
        ("shapes_fcn32s", "shapes_fcn16s", 6, "score_pool4"),
        ("shapes_fcn16s", "shapes_fcn8s", 4, "score_pool3"),
    ):
        before = last_weights(f"run/{coarse}", iteration)
        start = arrays(f"run/{fine}/start.caffemodel")
        for name in before.keys() & start.keys():
            assert all(np.array_equal(a, b) for a, b in zip(before[name], start[name])), name
        assert not any(blob.any() for blob in start[new])
        assert start[new][0].shape[0] == 3 and new not in before
        # The skip learns, though it starts at zero.
        assert last_weights(f"run/{fine}", 4)[new][0].any()
    with open("run/stages.json", encoding="utf-8") as file:
        results = json.load(file)
    assert [result["name"] for result in results] == FAMILY
    assert results[0]["agreement"] is None and results[0]["start"] is None
    for previous, result in zip(results, results[1:]):
        same = np.equal(masks(previous["name"], "masks"), masks(result["name"], "first_masks"))
        assert result["agreement"] == pytest.approx(same.mean())
        assert 0 <= result["start"]["mean_iou"] < 1
    assert all(0 < result["end"]["pixel_accuracy"] <= 1 for result in results)
    said = capsys.readouterr()
    assert "shapes_fcn32s_iter_6.caffemodel: upscore2, score_pool4, upscore16" in said.err
    assert all(f"{result['end']['mean_iou']:.4f}" in said.out for result in results)
    assert len(masks("shapes_fcn8s", "masks")) == 3


def test_two_stages_of_a_step_each_are_recorded_and_not_trained_again(family, tmp_path, capsys):
    data = write_dataset(tmp_path / "few", train=2, val=1)
    few = {"names": FAMILY[:2]}
    assert command(family, data, "--iterations", "1", **few) == 0
    start = arrays("run/shapes_fcn16s/start.caffemodel")
    before = last_weights("run/shapes_fcn32s", 1)
    for name in before.keys() & start.keys():
        assert all(np.array_equal(a, b) for a, b in zip(before[name], start[name])), name
    assert not any(blob.any() for blob in start["score_pool4"])
    with open("run/stages.json", encoding="utf-8") as file:
        first, second = json.load(file)
    assert first["agreement"] is None and first["start"] is None
    same = np.equal(masks(FAMILY[0], "masks"), masks(FAMILY[1], "first_masks"))
    assert second["agreement"] == pytest.approx(same.mean())
    label = read_label(os.path.join(data, "val", "labels", "val_0.png"))
    for result, folder, kind in (
        (first["end"], FAMILY[0], "masks"),
        (second["start"], FAMILY[1], "first_masks"),
        (second["end"], FAMILY[1], "masks"),
    ):
        (mask,) = masks(folder, kind)
        right = (mask == label)[label != 255].mean()
        assert result["pixel_accuracy"] == pytest.approx(right)
    said = capsys.readouterr()
    assert "shapes_fcn32s_iter_1.caffemodel: upscore2, score_pool4, upscore16" in said.err
    table = said.out.splitlines()
    row = next(line for line in table if line.startswith("shapes_fcn16s "))
    figures = second["agreement"], second["start"]["mean_iou"], second["end"]["mean_iou"]
    assert row.split()[1:4] == [f"{figure:.4f}" for figure in figures]
    assert table[-1].endswith(os.path.join("run", FAMILY[1]))

    # What was done is not done again.
    weights = os.path.join("run", FAMILY[0], "shapes_fcn32s_iter_1.caffemodel")
    written = os.stat(weights).st_mtime_ns
    assert command(family, data, "--iterations", "1", **few) == 1
    assert "from an earlier run: pass --resume to continue it or --force" in capsys.readouterr().err
    assert command(family, data, "--iterations", "1", "--resume", **few) == 0
    assert os.stat(weights).st_mtime_ns == written
    with open("run/stages.json", encoding="utf-8") as file:
        assert json.load(file) == [first, second]


def test_a_run_that_was_stopped_says_how_it_continues(family, data, capsys, monkeypatch):
    module = importlib.import_module("fcnkit.commands.train_stages")
    stopped = StageResult("a", os.path.abspath("run/a"), None, None, None)

    def train(*_, **__):
        os.mkdir("run")
        yield stopped

    monkeypatch.setattr(module, "train_stages", train)
    assert command(family, data) == 130
    said = capsys.readouterr().out
    assert "the same command with --resume continues" in said
    assert said.splitlines()[1].split() == ["a", "-", "-", "-", "-"]


@pytest.mark.slow
def test_first_masks_of_a_stage_are_the_previous_ones_if_nothing_was_added(family, data):
    """A stage on the same net: every pixel agrees, unless mean or weights are mistaken."""
    (first,) = stages(family, FAMILY[:1])
    again = Stage("again", changed(first, fill=None).recipe)
    *_, result = train_stages([first, again], "run", data)
    assert result.agreement == 1


@pytest.mark.slow
def test_a_new_score_with_a_filler_starts_at_zero_nevertheless(family, data):
    net = read_net(os.path.join(family, "shapes_fcn16s", "train_val.prototxt"))
    (layer,) = [layer for layer in net.layer if layer.name == "score_pool4"]
    layer.convolution_param.weight_filler.type = "xavier"
    # A new layer that is not a score keeps its filler, or neither of the two would ever learn.
    hidden = pb.LayerParameter(name="hidden", type="Convolution", bottom=layer.bottom)
    hidden.top.append("hidden")
    layer.bottom[0] = "hidden"
    hidden.convolution_param.num_output = 5
    hidden.convolution_param.kernel_size.append(1)
    hidden.convolution_param.weight_filler.type = "xavier"
    net.layer.insert(list(net.layer).index(layer), hidden)
    os.makedirs("own")
    write_text("own/net.prototxt", net)
    with open("own/solver.prototxt", "w", encoding="utf-8") as file:
        file.write('net: "net.prototxt" base_lr: 1e-9 lr_policy: "fixed" snapshot_prefix: "own"\n')
    first, second = stages(family, FAMILY[:2])
    list(train_stages([first, changed(second, solver="own/solver.prototxt")], "run", data))
    start = arrays("run/shapes_fcn16s/start.caffemodel")
    assert not any(b.any() for b in start["score_pool4"])
    assert start["hidden"][0].any()


def test_stages_that_were_stopped_before_the_first_step_are_told(family, data, capsys, monkeypatch):
    module = importlib.import_module("fcnkit.commands.train_stages")
    monkeypatch.setattr(module, "train_stages", lambda *_, **more: iter(()))
    assert command(family, data, "--force") == 130
    assert "stopped before the first step: the earlier run in" in capsys.readouterr().out


def test_arguments_that_contradict_each_other_are_refused(family, data, capsys):
    for wrong, message in (
        (["--iterations", "4,4"], "expected one value, or 3"),
        (["--base-lr", "1,2,3,4"], "expected one value, or 3"),
        (["--iterations", "4,x,4"], "--iterations 4,x,4: expected numbers above 0, found x"),
        (["--iterations", "0"], "expected numbers above 0, found 0"),
        (["--iterations", "2.5"], "found 2.5"),
        (["--base-lr", "0.1,-1,1"], "expected numbers above 0"),
        (["--base-lr", "nan"], "expected numbers above 0"),
    ):
        assert command(family, data, *wrong) == 1
        assert message in capsys.readouterr().err
    assert (
        main.run_module("fcnkit.commands.train_stages", ["fcn9s", "--data", data, "-o", "x"]) == 1
    )
    assert "no network fcn9s" in capsys.readouterr().err
    assert command(family, data, "--resume", "--force") == 1
    assert "pass one of them" in capsys.readouterr().err
