"""Every layer of the networks against the tables of the published ones (tests/golden/tables).

Columns: bottoms and tops by spaces; the shapes of a layer's parameters (`96x3x11x11 96`) and, for
FCNs, its lr_mults and decay_mults where the file states them; settings as prototxt.
"""

import csv
import itertools

import pytest
from places import GOLDEN

from caffeformat import filter_net, infer_shapes, parse_text, pb, read_net
from fcnkit import zoo
from fcnkit.nets import net_parameters

TABLES = GOLDEN / "tables"


def table(name):
    with open(TABLES / name, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        network: list(group)
        for network, group in itertools.groupby(rows, key=lambda row: row["network"])
    }


# The names that tables and folders have for one network differ where DIGITS named its file.
FOLDERS = {"digits-fcn-alexnet": "fcn_alexnet"}
PUBLISHED = {
    FOLDERS.get(network, network.replace("-", "_")): rows
    for name in ("networks.csv", "classifiers.csv")
    for network, rows in table(name).items()
}


def settings(layer):
    """The parameters of the layer as a message, without what other columns hold."""
    bare = type(layer)()
    bare.CopyFrom(layer)
    for field in ("name", "type", "bottom", "top", "param", "include", "exclude", "phase"):
        bare.ClearField(field)
    if layer.type == "Input":
        # The tables fix a size to state shapes; these nets take images of any.
        del bare.input_param.shape[0].dim[2:]
    return bare


def described(row):
    layer = parse_text(row["settings"], pb.LayerParameter)
    if row["type"] == "Input":
        del layer.input_param.shape[0].dim[2:]
    return layer


def multipliers(layer, field):
    return " ".join(f"{getattr(param, field):g}" for param in layer.param)


def test_the_published_networks_are_all_here():
    assert len(table("networks.csv")) == 16
    assert set(PUBLISHED) <= set(zoo.networks())


# Every column is compared, "order" by the order of the rows.
COLUMNS = {
    "network", "order", "layer", "type", "bottoms", "tops", "settings",
    "parameter_shapes", "lr_mults", "decay_mults", "output_shape",
}  # fmt: skip


def test_the_tables_have_no_column_that_is_not_compared():
    assert {name for rows in PUBLISHED.values() for name in rows[0]} == COLUMNS


@pytest.mark.parametrize("network", PUBLISHED)
def test_every_layer_is_the_published_one(network):
    net = read_net(zoo.path(network, "deploy.prototxt"))
    shapes = {
        layer.name: " ".join("x".join(map(str, blob.shape)) for blob in blobs)
        for layer, blobs in net_parameters(net)
    }
    rows = PUBLISHED[network]
    outputs = infer_shapes(net)
    if rows[0]["type"] != "Input":
        # Published with an `input:` field, which reading turns into a layer.
        del net.layer[0]
    assert [layer.name for layer in net.layer] == [row["layer"] for row in rows]
    for layer, row in zip(net.layer, rows):
        found = (layer.type, " ".join(layer.bottom), " ".join(layer.top))
        assert found == (row["type"], row["bottoms"], row["tops"]), layer.name
        assert shapes.get(layer.name, "") == row["parameter_shapes"], layer.name
        assert settings(layer) == described(row), layer.name
        if "lr_mults" in row:
            assert multipliers(layer, "lr_mult") == row["lr_mults"], layer.name
            assert multipliers(layer, "decay_mult") == row["decay_mults"], layer.name
        if "output_shape" in row:
            found = "x".join(map(str, outputs[layer.top[0]][1:]))
            assert found == row["output_shape"].partition("x")[2], layer.name


@pytest.mark.parametrize("stage", ["train", "val", "deploy"])
def test_every_stage_of_the_all_in_one_file_has_the_deploy_net_in_it(stage):
    path = zoo.path("fcn_alexnet", "fcn_alexnet.prototxt")
    phase = pb.TRAIN if stage == "train" else pb.TEST
    layers = filter_net(read_net(path), phase, stages=[stage]).layer
    deploy = read_net(zoo.path("fcn_alexnet", "deploy.prototxt")).layer
    core = [layer for layer in layers if layer.type not in ("Data", "Input", "Accuracy")]
    assert core[: len(deploy) - 1] == list(deploy[1:])
    extra = {
        "train": ["data", "label", "loss"],
        "val": ["data", "label", "loss", "accuracy"],
        "deploy": ["data"],
    }
    names = {layer.name for layer in deploy[1:]}
    assert [layer.name for layer in layers if layer.name not in names] == extra[stage]


def test_losses_and_accuracy_ignore_255():
    net = read_net(zoo.path("fcn_alexnet", "fcn_alexnet.prototxt"))
    loss, accuracy = net.layer[-2:]
    assert loss.loss_param == pb.LossParameter(ignore_label=255, normalize=True)
    assert accuracy.accuracy_param == pb.AccuracyParameter(ignore_label=255)
    assert not any(layer.data_param.source for layer in net.layer)
