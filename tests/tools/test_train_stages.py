"""Stage after stage: where each starts, what is measured, and going on after an end too soon."""

import contextlib
import json
import os

import numpy as np
import pytest
from tiny_segmentation import write_dataset

from caffeformat import InputError, read_caffemodel, read_net, write_text
from fcnkit import cli, curves, engine, prototxt, shapes, training
from fcnkit.data_prep.lmdb_dataset import create_lmdb, find_splits
from fcnkit.data_prep.voc_layout import prepare_voc
from fcnkit.stages import Stage, train_stages

try:
    engine.load()
except InputError as error:
    pytest.skip(str(error), allow_module_level=True)

FAMILY = ["shapes_fcn32s", "shapes_fcn16s", "shapes_fcn8s"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data"), size=(40, 48))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty current folder; curves are not drawn, to save time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda *_: None)


def command(data, *arguments):
    return cli.run_module(
        "fcnkit.tools.train_stages",
        [*FAMILY, "--data", data, "-o", "run", "--augment", "flip=yes", "--iterations", "6,4,4",
         "--batch-size", "2", "--no-validation", *arguments],
    )  # fmt: skip


def stages(names, iterations=4):
    options = {"overrides": [("max_iter", str(iterations))], "batch_size": 2, "validate": False}
    return [
        Stage(name, prototxt.path(name, "solver.prototxt"), {"augment": {"flip": True}, **options})
        for name in names
    ]


def arrays(path):
    return {name: [np.array(b) for b in blobs] for name, blobs in read_caffemodel(path).items()}


def last_weights(folder, iteration):
    (found,) = [n for n in os.listdir(folder) if n.endswith(f"_iter_{iteration}.caffemodel")]
    return arrays(os.path.join(folder, found))


def test_each_stage_starts_from_the_former_with_its_new_scores_at_zero(data, capsys):
    assert command(data) == 0
    for coarse, fine, iteration, new in (
        ("shapes_fcn32s", "shapes_fcn16s", 6, "score_pool4"),
        ("shapes_fcn16s", "shapes_fcn8s", 4, "score_pool3"),
    ):
        before = last_weights(f"run/{coarse}", iteration)
        start = arrays(f"run/{fine}/start.caffemodel")
        for name in before.keys() & start.keys():
            assert all(np.array_equal(a, b) for a, b in zip(before[name], start[name])), name
        assert not any(blob.any() for blob in start[new])
        assert start[new][0].shape[0] == 6 and new not in before
        # The skip learns, though it starts at zero.
        assert last_weights(f"run/{fine}", 4)[new][0].any()
    with open("run/stages.json", encoding="utf-8") as file:
        results = json.load(file)
    assert [result["name"] for result in results] == FAMILY
    assert results[0]["agreement"] is None and results[0]["start"] is None
    for result in results[1:]:
        assert 0.98 <= result["agreement"] <= 1
        assert 0 < result["start"]["mean_iou"] < 1
    assert all(0 < result["end"]["pixel_accuracy"] <= 1 for result in results)
    table = capsys.readouterr().out
    assert all(f"{result['end']['mean_iou']:.4f}" in table for result in results)
    assert len(os.listdir("run/shapes_fcn8s/masks")) == 3


def test_first_masks_of_a_stage_are_the_formers_where_nothing_was_added(data):
    """A stage on the same net: every pixel agrees, which any slip in mean or weights would end."""
    first = stages(FAMILY[:1])
    again = Stage("again", first[0].solver, first[0].options)
    *_, result = train_stages([*first, again], "run", data)
    assert result.agreement == 1


def test_a_new_score_with_a_filler_starts_at_zero_all_the_same(data):
    net = read_net(prototxt.path("shapes_fcn16s", "train_val.prototxt"))
    (layer,) = [layer for layer in net.layer if layer.name == "score_pool4"]
    layer.convolution_param.weight_filler.type = "xavier"
    os.makedirs("own")
    write_text("own/net.prototxt", net)
    with open("own/solver.prototxt", "w", encoding="utf-8") as file:
        file.write('net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" snapshot_prefix: "own"\n')
    first, second = stages(FAMILY[:2])
    list(train_stages([first, second._replace(solver="own/solver.prototxt")], "run", data))
    assert not any(b.any() for b in arrays("run/shapes_fcn16s/start.caffemodel")["score_pool4"])


class Until:
    """Asks for an end after some steps."""

    def __init__(self, steps):
        self.left = steps

    def __call__(self):
        self.left -= 1
        return self.left <= 0


def test_a_run_that_ended_early_goes_on_where_it_was(data):
    whole = list(train_stages(stages(FAMILY[:2]), "whole", data))
    *_, broken = train_stages(stages(FAMILY[:2]), "run", data, stop=Until(6))
    assert broken.name == "shapes_fcn16s" and broken.end is None
    first = "run/shapes_fcn32s/shapes_fcn32s_iter_4.caffemodel"
    written = os.stat(first).st_mtime_ns
    results = list(train_stages(stages(FAMILY[:2]), "run", data, resume=True))
    assert os.stat(first).st_mtime_ns == written
    assert [r._replace(folder="") for r in results] == [
        r._replace(folder="", end=pytest.approx(r.end)) for r in whole
    ]
    ours, theirs = last_weights("run/shapes_fcn16s", 4), last_weights("whole/shapes_fcn16s", 4)
    for name, blobs in ours.items():
        for a, b in zip(blobs, theirs[name]):
            assert np.allclose(a, b, rtol=1e-4, atol=1e-5), name


def test_a_kill_between_training_and_scores_costs_no_training(data, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fcnkit.stages.write_label", killed)
        with pytest.raises(KeyboardInterrupt):
            list(train_stages(stages(FAMILY[:1]), "run", data))
    steps = []

    class Counting(training.Observer):
        def step(self, iteration, *_):
            steps.append(iteration)

    @contextlib.contextmanager
    def observe(name):
        yield Counting()

    (result,) = train_stages(stages(FAMILY[:1]), "run", data, resume=True, observe=observe)
    assert result.end and not steps
    assert len(os.listdir("run/shapes_fcn32s/masks")) == 3


def test_an_earlier_run_is_kept_unless_force_says_otherwise(data, capsys):
    list(train_stages(stages(FAMILY[:1]), "run", data))
    with pytest.raises(InputError, match=r"earlier run: go on with --resume.*--force"):
        list(train_stages(stages(FAMILY[:1]), "run", data))
    list(train_stages(stages(FAMILY[:1]), "run", data, force=True))
    os.makedirs("mine/shapes_fcn32s")
    with open("mine/shapes_fcn32s/thesis.tex", "w") as file:
        file.write("no stage")
    with pytest.raises(InputError, match="is no stage of a training: it stays"):
        list(train_stages(stages(FAMILY[:1]), "mine", data, force=True))
    assert os.path.exists("mine/shapes_fcn32s/thesis.tex")


def test_force_removes_all_of_a_run_or_nothing(data):
    os.makedirs("run/shapes_fcn32s")
    os.makedirs("run/shapes_fcn16s")
    for file in ("run/shapes_fcn32s/stage.json", "run/shapes_fcn16s/thesis.tex"):
        open(file, "w").close()
    with pytest.raises(InputError, match="shapes_fcn16s is no stage"):
        list(train_stages(stages(FAMILY[:2]), "run", data, force=True))
    weights = "run/shapes_fcn32s/stage.json"
    with pytest.raises(InputError, match="--force would remove"):
        list(train_stages(stages(FAMILY[:1]), "run", data, weights, force=True))
    assert os.path.exists(weights)


def test_arguments_that_do_not_go_together_are_refused(data, capsys):
    for wrong, message in (
        (["--iterations", "4,4"], "expected one value, or 3"),
        (["--base-lr", "1,2,3,4"], "expected one value, or 3"),
    ):
        assert command(data, *wrong) == 1
        assert message in capsys.readouterr().err
    assert cli.run_module("fcnkit.tools.train_stages", ["fcn9s", "--data", data, "-o", "x"]) == 1
    assert "no network fcn9s" in capsys.readouterr().err
    with pytest.raises(InputError, match="names of their own"):
        list(train_stages(stages(["shapes_fcn8s"] * 2), "run", data))


@pytest.mark.full
def test_stages_on_generated_shapes_agree_and_end_no_worse(tmp_path):
    shapes.write_archive("shapes.tar", train=400, val=60, seed=1)
    prepare_voc("shapes.tar", "voc")
    create_lmdb(*find_splits("voc"), "lmdb", list(shapes.CLASSES), workers=2)
    family = [
        Stage(
            name,
            prototxt.path(name, "solver.prototxt"),
            {
                "augment": {"flip": True},
                "overrides": [("max_iter", iterations), ("random_seed", "1")],
                "validate": False,
            },
        )
        for name, iterations in zip(FAMILY, ("600", "300", "300"))
    ]
    results = list(train_stages(family, "run", "lmdb"))
    ends = [result.end["mean_iou"] for result in results]
    assert all(result.agreement >= 0.98 for result in results[1:])
    assert ends == sorted(ends)
    assert ends[-1] > 0.3
