"""Stages that cannot be trained are refused before anything is written or removed."""

import os

import numpy as np
import pytest
from tiny_segmentation import write_dataset
from tiny_stages import FAMILY, changed, stages, write_family

from caffeformat import InputError, Weights, read_net, write_caffemodel, write_text
from fcnkit.datasets import DatasetFolder
from fcnkit.training import Start, train_stages
from fcnkit.training.stages.checks import check_stages
from fcnkit.training.stages.folders import earlier_stages


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return write_family(tmp_path_factory.mktemp("family"))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(text, *args, **kwargs):
    with pytest.raises(InputError, match=text):
        list(train_stages(*args, **kwargs))


def earlier_run():
    """Two folders as a run leaves them; each can be recognized by the content of its files."""
    for name in FAMILY[:2]:
        os.makedirs(f"run/{name}")
        for file_name in ("stage.json", "train.log"):
            with open(f"run/{name}/{file_name}", "w", encoding="utf-8") as file:
                file.write(name)


def assert_kept():
    assert sorted(os.listdir("run")) == sorted(FAMILY[:2])
    for name in FAMILY[:2]:
        with open(f"run/{name}/stage.json", encoding="utf-8") as file:
            assert file.read() == name


def test_stages_that_fit_each_other_are_accepted(family, data):
    for names in (FAMILY, FAMILY[:2], FAMILY[:1]):
        check_stages(stages(family, names), [DatasetFolder(data)] * len(names))


def test_two_stages_of_one_name(family, data):
    refused("name of its own", stages(family, ["shapes_fcn8s"] * 2), "run", data)


def test_class_counts_that_differ(family, data, tmp_path):
    other = write_family(tmp_path / "other", classes=4)
    mixed = [stages(family, FAMILY[:1])[0], stages(other, FAMILY[1:2])[0]]
    refused(
        r"shapes_fcn32s scores 3, shapes_fcn16s scores 4\. .*same num_output", mixed, "run", data
    )
    assert not os.path.exists("run")


def test_layers_that_differ_between_stages(family, data, tmp_path):
    other = write_family(tmp_path / "other", width=1 / 16)
    mixed = [stages(family, FAMILY[:1])[0], stages(other, FAMILY[1:2])[0]]
    refused(
        r"shapes_fcn16s from the weights of shapes_fcn32s: .*\n.*conv1_1 0: 54 values .* do not "
        r"fit 108 values",
        mixed,
        "run",
        data,
    )
    assert not os.path.exists("run")


@pytest.mark.parametrize("multiplier", [0, 1])
def test_fixed_upsampling_of_one_name_may_differ(family, data, tmp_path, multiplier):
    """As in FCNs that net_surgery makes of one classifier: their last layers share a name."""
    os.makedirs("own")
    net = read_net(os.path.join(family, "shapes_fcn16s", "train_val.prototxt"))
    (last,) = [layer for layer in net.layer if layer.name == "upscore16"]
    last.name, last.param[0].lr_mult = "upscore", multiplier
    write_text("own/net.prototxt", net)
    with open("own/solver.prototxt", "w", encoding="utf-8") as file:
        file.write('net: "net.prototxt" base_lr: 1e-9 lr_policy: "fixed" snapshot_prefix: "own"\n')
    first, second = stages(family, FAMILY[:2])
    both = [first, changed(second, solver="own/solver.prototxt")]
    if multiplier:
        with pytest.raises(InputError, match=r"upscore 0: .* values .* do not fit"):
            check_stages(both, [DatasetFolder(data)] * 2)
    else:
        check_stages(both, [DatasetFolder(data)] * 2)


def test_weights_that_do_not_fit(family, data):
    net = read_net(os.path.join(family, "shapes_fcn32s", "deploy.prototxt"))
    weights = Weights({"conv1_1": [np.ones((4, 3, 3, 3), np.float32)]}, name="other")
    write_caffemodel("other.caffemodel", weights, net)
    arguments = (stages(family, FAMILY[:2]), "run", data, Start("other.caffemodel"))
    refused(r"shapes_fcn32s from other\.caffemodel:[^$]*conv1_1", *arguments)
    assert not os.path.exists("run")


def test_an_earlier_run_is_kept_without_force(family, data):
    earlier_run()
    refused("earlier run: pass resume=True.*force=True", stages(family, FAMILY[:1]), "run", data)
    assert_kept()


@pytest.mark.parametrize("weights", ["no.caffemodel", "empty.caffemodel"])
def test_force_removes_nothing_if_weights_cannot_be_used(family, data, weights):
    earlier_run()
    open("empty.caffemodel", "w").close()
    refused(weights, stages(family, FAMILY[:2]), "run", data, Start(weights), force=True)
    assert_kept()


def test_force_removes_nothing_if_there_is_no_data(family, data):
    earlier_run()
    refused("nowhere", stages(family, FAMILY[:2]), "run", "nowhere", force=True)
    assert_kept()


def test_force_removes_nothing_if_training_cannot_start(family, data):
    earlier_run()
    first, second = stages(family, FAMILY[:2])
    broken = changed(first, overrides=[("base_lr", "0")])
    refused("base_lr is 0", [broken, second], "run", data, force=True)
    assert_kept()


def test_force_keeps_other_folders_and_weights_that_are_needed(family, data):
    earlier_run()
    os.remove("run/shapes_fcn16s/stage.json")
    with open("run/shapes_fcn16s/thesis.tex", "w", encoding="utf-8") as file:
        file.write("no stage")
    two = stages(family, FAMILY[:2])
    refused("shapes_fcn16s is not a stage", two, "run", data, force=True)
    weights = "run/shapes_fcn32s/stage.json"
    refused("which would be removed", two[:1], "run", data, Start(weights), force=True)
    assert os.path.exists(weights) and os.path.exists("run/shapes_fcn16s/thesis.tex")


def test_a_run_that_never_began_needs_no_force(family, data):
    """For example after a wrong --data: the same command with the right one works."""
    first = stages(family, FAMILY[:1])[0]
    no_augment = changed(first, augment=None)
    refused("no such database", [no_augment], "run", data)
    assert os.listdir(f"run/{FAMILY[0]}") == ["stage.json"]
    assert earlier_stages([f"run/{FAMILY[0]}"]) == [f"run/{FAMILY[0]}"]
    refused("no such database", [no_augment], "run", data)
    with open(f"run/{FAMILY[0]}/thesis.tex", "w", encoding="utf-8") as file:
        file.write("no stage")
    refused("earlier run", [first], "run", data)
