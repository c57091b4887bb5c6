"""Recipes as text: sections, keys, what overrides what, and mistakes named by their place."""

import argparse

import pytest

from caffeformat import InputError
from fcnkit.commands.arguments import recipes
from fcnkit.training import describe_recipe, read_recipe

GOOD = """
[recipe]
title = Mine
network = fcn_camvid
augment = gluoncv crop=64
epochs = 3

[stage one]
data = first
base_lr = 0.01

[stage two]
# of another dataset
data = second
iterations = 40
weight_decay = 0.001
"""


def write(folder, text):
    path = folder / "mine.ini"
    path.write_text(text)
    return str(path)


def test_a_stage_has_what_the_recipe_says_and_its_own(tmp_path):
    recipe = read_recipe(write(tmp_path, GOOD))
    assert (recipe.name, recipe.title, recipe.weights) == ("mine", "Mine", None)
    one, two = recipe.stages
    assert one.values["epochs"] == 3 and one.values["augment"]["crop"] == [64, 64]
    assert one.solver_fields() == [("base_lr", "0.01")]
    # How long a stage takes is said once.
    assert two.values["iterations"] == 40 and "epochs" not in two.values
    assert two.solver_fields() == [("weight_decay", "0.001")]
    assert recipe.roles == {"first": True, "second": True}


def test_changes_override_the_file(tmp_path):
    path = write(tmp_path, GOOD)
    changes = ["iterations=5", "two.epochs=2", "base_lr = 1", "one.form=width=0.5"]
    one, two = read_recipe(path, changes).stages
    assert one.values["iterations"] == 5 and two.values["epochs"] == 2
    assert "epochs" not in one.values and "iterations" not in two.values
    assert dict(one.solver_fields())["base_lr"] == "1"
    assert one.values["form"] == {"width": 0.5}


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("epochs = 3", "epochs = many", r"\[recipe\] epochs: found 'many', expected a number abo"),
        ("epochs = 3", "epochs = 0", r"\[recipe\] epochs: found '0'"),
        ("epochs = 3", "epoch = 3", r"\[recipe\] epoch: is no key of a recipe: expected one of"),
        ("iterations = 40", "iterations = 4.5", r"\[stage two\] iterations: found '4.5'"),
        ("iterations = 40", "iterations = 4\nepochs = 2", "has epochs and iterations"),
        ("base_lr = 0.01", "base_lr = high", r"\[stage one\] base_lr: found 'high'"),
        ("base_lr = 0.01", "max_iter = 5", r"\[stage one\] max_iter: is no key"),
        ("base_lr = 0.01", "net = other.prototxt", r"\[stage one\] net: is no key"),
        ("base_lr = 0.01", "precision = half", "expected float32, bfloat16 or float16"),
        ("base_lr = 0.01", "title = other", r"\[stage one\] title: belongs into \[recipe\]"),
        ("base_lr = 0.01", "loss = dice smooth=x", r"\[stage one\] loss: found 'dice smooth=x'"),
        ("base_lr = 0.01", "form = depth=3", r"form: found 'depth=3', expected some of KEY=VALUE"),
        ("base_lr = 0.01", "keep = yes", "keep: found 'yes'"),
        ("augment = gluoncv", "augment = gluon", r"\[recipe\] augment: found 'gluon crop=64'"),
        ("data = second\n", "", r"\[stage two\] has no data, expected the role of a dataset"),
        ("data = second", "data = a=b", r"\[stage two\] data: found 'a=b'"),
        ("[stage two]", "[second]", r"found a section \[second\], expected \[recipe\] or"),
        ("[stage two]", "[stage networks]", r"found a section \[stage networks\]"),
        ("[stage two]", "[stage ../two]", r"found a section \[stage ../two\]"),
        ("[stage two]", "[stage one]", r"mine.ini:12: has two sections \[stage one\]"),
        ("data = first", "data = first\ndata = x", r"mine.ini:10: \[stage one\] sets data twice"),
        ("data = first", "data first", "mine.ini:9: expected KEY = VALUE, found"),
        ("[recipe]", "", "mine.ini:3: expected a section such as"),
        ("[recipe]", "[common]", r"has no section \[recipe\]"),
        ("title = Mine", "title = \0", None),
    ],
)
def test_mistakes_are_named_by_their_place(tmp_path, old, new, words):
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    if words is None:
        read_recipe(path)
        return
    with pytest.raises(InputError, match=words) as caught:
        read_recipe(path)
    assert path in str(caught.value) or "mine.ini" in str(caught.value)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"\xff\xfe[\x00", "is not text in UTF-8"),
        (b"#" * 70000, "mine.ini"),
        (b"[recipe]\nnetwork = fcn_camvid\n", "has 0 sections"),
        (b"[recipe]\n" + b"".join(b"[stage s%d]\ndata = d\n" % i for i in range(21)), "has 21 sec"),
        (b"", r"has no section \[recipe\]"),
    ],
)
def test_files_that_are_no_recipes(tmp_path, content, words):
    path = tmp_path / "mine.ini"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_recipe(path)


@pytest.mark.parametrize("change", ["epochs", "epochs=0", "three.epochs=1", "title=x", "x=1", "=1"])
def test_wrong_changes_are_named(tmp_path, change):
    with pytest.raises(InputError, match=r"^set=") as caught:
        read_recipe(write(tmp_path, GOOD), [change])
    assert f"--set {change}" in caught.value.for_command_line()


def test_what_is_no_recipe_lists_those_that_there_are():
    with pytest.raises(InputError, match=r"no recipe gluoncv, .* gluoncv_fcn_resnet50"):
        read_recipe("gluoncv")


def described(path, *changes):
    return describe_recipe(read_recipe(path, changes), {})


def test_batches_are_the_networks_own_where_the_recipe_says_nothing(tmp_path):
    text = GOOD.replace("[stage two]\n", "[stage two]\nnetwork = fcn_resnet_50\n")
    path = write(tmp_path, text.replace(" crop=64", ""))
    said = described(path)
    assert "3 epochs, 4 images per step\n" in said
    assert "40, 16 images per step (4 passes of 4 images)" in said
    assert "3 epochs, 2 images per step\n" in described(path, "batch_size=2")
    assert "(3 passes of 4 images)" in described(path, "two.iter_size=0x3")
    with pytest.raises(InputError, match=r"\[stage one\] iter_size: found 0, expected a whole n"):
        described(path, "iter_size=0")


def test_two_ways_to_say_one_thing_replace_each_other(tmp_path):
    both = "batch_size = 2\nimages_per_update = 8\n"
    path = write(tmp_path, GOOD.replace("epochs = 3\n", "epochs = 3\n" + both))
    assert "8 images per step (4 passes of 2 images)" in described(path)
    assert "6 images per step (3 passes of 2 images)" in described(path, "iter_size=3")
    path = write(tmp_path, GOOD.replace("epochs = 3\n", f"epochs = 3\n{both}iter_size = 3\n"))
    with pytest.raises(InputError, match="has images_per_update and iter_size: expected one"):
        read_recipe(path)


def test_augment_without_values_means_the_same_with_a_recipe():
    args = argparse.Namespace(augment=[], loss=None, set=[])
    assert recipes.changes(args, ["one"]) == ["augment=scale=0.75:1.5 flip=yes"]
