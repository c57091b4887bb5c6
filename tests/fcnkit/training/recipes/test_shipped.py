"""The tutorials' recipes: what they say, and what a dry run says about them."""

import functools
import os

import pytest
from tiny_archives import write_datasets

from caffeformat import InputError, read_net
from fcnkit.commands import main
from fcnkit.training import read_recipe, recipe_names
from fcnkit.training.recipes import plan_stages
from fcnkit.training.run_files import RunFiles

# recipe -> (stage, role, base_lr, images per update) of each stage
STAGES = {
    "digits_fcn_alexnet": [("voc", "voc", 1e-4, 1)],
    "berkeley_fcn_32s_16s_8s": [
        ("fcn32s", "sbd", 1e-10, 1),
        ("fcn16s", "sbd", 1e-12, 1),
        ("fcn8s", "sbd", 1e-14, 1),
    ],
    "gluoncv_fcn_resnet50": [("sbd", "sbd", 1e-3, 16), ("voc", "voc", 1e-4, 16)],
    "gluoncv_fcn_resnet101": [("sbd", "sbd", 1e-3, 16), ("voc", "voc", 1e-4, 16)],
    "gluoncv_pspnet50": [("sbd", "sbd", 1e-3, 16), ("voc", "voc", 1e-4, 16)],
    "gluoncv_pspnet101_coco": [
        ("coco", "coco", 1e-2, 16),
        ("sbd", "sbd", 1e-3, 16),
        ("voc", "voc", 1e-4, 16),
    ],
    "mindspore_fcn8s": [("sbd", "sbd", 0.05, 4)],
    "blog_fcn_resnet50": [("voc", "voc", 1e-3, 16)],
}


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    pytest.importorskip("scipy")
    return write_datasets(tmp_path_factory.mktemp("archives"))


@pytest.fixture(scope="module")
def planned(datasets, tmp_path_factory):
    """A function that returns the planned stages of a recipe, made once."""

    @functools.cache
    def plan(name):
        recipe, folder = read_recipe(name), tmp_path_factory.mktemp(name)
        return plan_stages(recipe, {role: datasets[role] for role in recipe.roles}, str(folder))

    return plan


def test_there_is_one_for_each_tutorial():
    assert set(recipe_names()) == set(STAGES)


@pytest.mark.parametrize("name", sorted(STAGES))
def test_stages_have_the_tutorials_values(name, planned):
    found = []
    for one in planned(name):
        files = RunFiles(one.stage.recipe.solver)
        files.override(one.stage.recipe.overrides)
        found.append((one.given.name, one.given.values["data"], files.solver.base_lr))
        assert files.solver.iter_size == one.passes
        assert one.stage.recipe.batch_size == one.per_pass
        if one.steps is not None and "epochs" in one.given.values:
            images = one.per_pass * one.passes
            assert one.steps == one.given.values["epochs"] * -(-one.images["train"] // images)
    assert [stage[:2] for stage in found] == [stage[:2] for stage in STAGES[name]]
    assert [stage[2] for stage in found] == pytest.approx([stage[2] for stage in STAGES[name]])
    updates = [one.per_pass * one.passes for one in planned(name)]
    assert updates == [stage[3] for stage in STAGES[name]]


def test_details_of_single_recipes(planned):
    (digits,) = planned("digits_fcn_alexnet")
    fields = dict(digits.stage.recipe.overrides)
    assert (fields["max_iter"], fields["stepsize"]) == ("30", "10")  # 3 images, 10 epochs
    assert digits.stage.recipe.augment == {}
    *_, voc = planned("gluoncv_fcn_resnet50")
    assert voc.stage.recipe.augment["rotate"] == 10 and voc.stage.recipe.augment["base"] == 520
    (blog,) = planned("blog_fcn_resnet50")
    assert blog.stage.recipe.augment["rotate"] == 20
    folder = os.path.dirname(blog.stage.recipe.solver)
    net = read_net(os.path.join(folder, "train_val.prototxt"))
    (weight,) = [list(layer.loss_weight) for layer in net.layer if layer.name == "loss_aux"]
    assert weight == pytest.approx([0.2])
    (mindspore,) = planned("mindspore_fcn8s")
    assert mindspore.stage.recipe.augment["crop"] == [512, 512]
    assert mindspore.stage.recipe.snapshots.keep == 5


def test_devices_share_the_images_of_an_update(datasets, tmp_path):
    recipe, data = read_recipe("blog_fcn_resnet50"), {"voc": datasets["voc"]}
    (two,) = plan_stages(recipe, data, str(tmp_path), devices=2)
    assert (two.per_pass, two.passes) == (4, 2)
    with pytest.raises(InputError, match=r"16 images .* of 4 \(batch_size\) on each of 3 devices"):
        plan_stages(recipe, data, str(tmp_path), devices=3)


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize("name", sorted(STAGES))
def test_a_dry_run_says_what_each_stage_will_do(name, datasets, capsys):
    roles = dict.fromkeys(stage[1] for stage in STAGES[name])
    given = [f"{role}={datasets[role]}" for role in roles]
    arguments = ["--recipe", name, "--dry-run", "--data", *given]
    assert main.run_module("fcnkit.commands.train_stages", arguments) == 0
    said = capsys.readouterr().out
    for number, (stage, role, rate, images) in enumerate(STAGES[name], 1):
        assert f"stage {number} of {len(STAGES[name])}: {stage}\n" in said
        assert f"{role}: {datasets[role]}, " in said and f"rate      {rate:g}, " in said
        assert f"{images} image" in said
    assert said.count("expect ") >= 1 and said.count("memory    up to") == len(STAGES[name])
    assert said.count("training images, ") == len(STAGES[name])


def test_a_dry_run_needs_no_data(capsys):
    arguments = ["--recipe", "gluoncv_fcn_resnet50", "--dry-run", "--set", "voc.epochs=7"]
    assert main.run_module("fcnkit.commands.train_stages", arguments) == 0
    said = capsys.readouterr().out
    assert "voc, not given" in said and "7 epochs, 16 images per step" in said
    assert "fcnkit download 'ResNet-50'" in said


def test_missing_data_and_weights_are_asked_for(datasets, capsys, tmp_path):
    start = ["--recipe", "gluoncv_fcn_resnet50", "-o", str(tmp_path / "run")]
    weights = ["--weights", __file__]
    sbd, voc = f"sbd={datasets['sbd']}", f"voc={datasets['voc']}"
    for arguments, words in (
        (["--data", sbd, voc], "starts from ResNet-50-model.caffemodel"),
        ([*weights, "--data", sbd], "needs datasets as sbd, voc; found sbd: pass --data with"),
        ([*weights, "--data", sbd, voc, "coco=x"], "found sbd, voc, coco"),
        ([*weights, "--data", datasets["sbd"], voc], "which dataset is it?"),
        ([*weights, "--data", sbd, sbd], "two datasets called sbd"),
        ([*weights, "--data", sbd, "voc=nowhere"], "nowhere: expected a dataset folder"),
        ([*weights, "--data", sbd, voc, "--set", "ocv.epochs=3"], "--set ocv.epochs=3: expected"),
        (["a.prototxt", *weights, "--data", sbd, voc], "pass no SOLVER beside it"),
    ):
        assert main.run_module("fcnkit.commands.train_stages", [*start, *arguments]) == 1
        assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
