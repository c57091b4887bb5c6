"""The command edit_weights: each edit from file to file."""

import numpy as np
import pytest

from caffeformat import (
    InputError,
    Weights,
    parse_text,
    pb,
    read_caffemodel,
    read_net,
    write_caffemodel,
)
from fcnkit.commands import main
from fcnkit.nets import net_parameters

NET = """
layer { name: "data" type: "Input" top: "data"
        input_param { shape { dim: 1 dim: 3 dim: 4 dim: 6 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 2 kernel_size: 3 pad: 1 bias_term: false } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
        inner_product_param { num_output: 5 } }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    random = np.random.RandomState(0)
    weights = Weights(
        {
            layer.name: [random.uniform(0.5, 1, blob.shape).astype(np.float32) for blob in blobs]
            for layer, blobs in net_parameters(parse_text(NET, pb.NetParameter))
        }
    )
    write_caffemodel("in.caffemodel", weights, read_net("net.prototxt"))
    return tmp_path


def edit(name, *arguments, output="out.caffemodel"):
    return main.main(["edit_weights", name, "in.caffemodel", output, *arguments])


def shapes(path="out.caffemodel"):
    return {name: [a.shape for a in arrays] for name, arrays in read_caffemodel(path).items()}


def test_a_score_layer_grows_and_the_others_stay(folder, capsys):
    assert edit("grow", "fc", "7", "--places", "0,1,2,3,6") == 0
    assert "fc: (5, 48) -> (7, 48)" in capsys.readouterr().out
    before, after = read_caffemodel("in.caffemodel"), read_caffemodel("out.caffemodel")
    np.testing.assert_array_equal(after["fc"][0][6], before["fc"][0][4])
    assert not after["fc"][0][4].any()
    np.testing.assert_array_equal(after["conv"][0], before["conv"][0])


def test_a_convolution_gets_other_input_channels(folder):
    assert edit("channels", "conv", "4") == 0
    weights = read_caffemodel("out.caffemodel")["conv"][0]
    np.testing.assert_allclose(weights[:, 3], weights[:, :3].mean(1), rtol=1e-6)


def test_layers_are_renamed(folder):
    assert edit("rename", "conv=conv_rgb") == 0
    assert list(shapes()) == ["conv_rgb", "bn", "fc"]


def test_an_inner_product_becomes_a_convolution_and_back(folder):
    assert edit("convolution", "fc", "4x6") == 0
    assert shapes()["fc"][0] == (5, 2, 4, 6)
    assert read_caffemodel("out.caffemodel").types["fc"] == "Convolution"
    assert (
        main.main(["edit_weights", "inner_product", "out.caffemodel", "back.caffemodel", "fc"]) == 0
    )
    np.testing.assert_array_equal(
        read_caffemodel("back.caffemodel")["fc"][0], read_caffemodel("in.caffemodel")["fc"][0]
    )


def test_batch_norm_is_folded_with_its_net(folder, capsys):
    assert edit("fold", "net.prototxt", "folded.prototxt") == 0
    assert "folded bn" in capsys.readouterr().out
    assert shapes()["conv"] == [(2, 3, 3, 3), (2,)] and "bn" not in shapes()
    assert [layer.name for layer in read_net("folded.prototxt").layer] == ["data", "conv", "fc"]


def test_a_classifier_is_convolutionalized_with_its_net(folder, capsys):
    assert edit("convolutionalize", "net.prototxt", "dense.prototxt") == 0
    assert "coercing fc 0 from (5, 48) to (5, 2, 4, 6)" in capsys.readouterr().out
    assert read_net("dense.prototxt").layer[-1].type == "Convolution"


def test_a_convolutionalized_classifier_may_see_its_windows_alone(folder, capsys):
    assert edit("convolutionalize", "net.prototxt", "dense.prototxt", "--no-padding") == 0
    out = capsys.readouterr().out
    # The kernel of 3 takes what was padded from the image.
    assert "no layer pads (0 crops): a score is computed from 6 x 8 pixels" in out
    assert "coercing fc 0 from (5, 48) to (5, 2, 4, 6)" in out
    conv = read_net("dense.prototxt").layer[1]
    assert conv.name == "conv" and not conv.convolution_param.pad


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grow", "fc", "3"], "no place for 5 outputs among 3"),
        (["grow", "score", "7"], "no layer score in the weights; they have conv, bn, fc"),
        (["grow", "fc", "7", "--places", "a"], "expected whole numbers"),
        (["grow", "fc", "7", "--places", ""], "expected whole numbers"),
        (["channels", "fc", "4"], "values, not channels"),
        (["channels", "bn", "4"], "are not kernels"),
        (["channels", "conv", "0"], "expected 1 or more"),
        (["channels", "conv", "999999999"], "would have 2 GiB or more"),
        (["grow", "fc", "999999999"], "would have 2 GiB or more"),
        (["rename", "conv"], "expected OLD=NEW"),
        (["convolution", "fc", "5x5"], "a multiple of 25"),
        (["rename", "conv=a", "conv=b"], "a layer would get two names"),
        (["convolution", "fc", "six"], "expected HxW"),
        (["convolution", "conv", "3x3"], "not an inner product's"),
        (["inner_product", "fc"], "not a convolution's"),
        (["fold", "net.prototxt", "out.caffemodel"], "need names of their own"),
    ],
)
def test_what_cannot_be_edited_is_an_error(folder, capsys, arguments, message):
    assert edit(*arguments) == 1
    assert message in capsys.readouterr().err
    assert not (folder / "out.caffemodel").exists()


def test_an_existing_file_stays_unless_forced(folder, capsys):
    assert edit("rename", "conv=c", output="in.caffemodel") == 1
    assert "exists already" in capsys.readouterr().err
    assert edit("rename", "conv=c", "--force", output="in.caffemodel") == 0
    assert "c" in shapes("in.caffemodel")


def test_weights_that_cannot_be_written_leave_the_pair_that_was_there(folder, monkeypatch, capsys):
    assert edit("fold", "net.prototxt", "out.prototxt") == 0
    before = [(folder / name).read_bytes() for name in ("out.prototxt", "out.caffemodel")]

    def full(path, weights, net):
        raise InputError(f"{path}: writing failed")

    monkeypatch.setattr("fcnkit.commands.edit_weights.write_caffemodel", full)
    assert edit("convolutionalize", "net.prototxt", "out.prototxt", "--force") == 1
    assert "writing failed" in capsys.readouterr().err
    assert [(folder / name).read_bytes() for name in ("out.prototxt", "out.caffemodel")] == before
    names = ["in.caffemodel", "net.prototxt", "out.caffemodel", "out.prototxt"]
    assert sorted(path.name for path in folder.iterdir()) == names


GROUPED = NET.replace("num_output: 2", "num_output: 3 group: 3")


@pytest.mark.parametrize("edits", [["channels", "conv", "6"], ["grow", "conv", "6"]])
@pytest.mark.parametrize("given_by", ["weights", "net"])
def test_a_convolution_of_several_groups_is_refused(folder, capsys, edits, given_by):
    (folder / "net.prototxt").write_text(GROUPED)
    net = read_net("net.prototxt")
    weights = Weights({"conv": [np.ones((3, 1, 3, 3), np.float32)]})
    write_caffemodel("in.caffemodel", weights, net if given_by == "weights" else None)
    arguments = edits if given_by == "weights" else [*edits, "--net", "net.prototxt"]
    assert edit(*arguments) == 1
    assert "layer conv has 3 groups" in capsys.readouterr().err
    assert not (folder / "out.caffemodel").exists()


def test_unknown_groups_are_assumed_to_be_one(folder, capsys):
    write_caffemodel("in.caffemodel", read_caffemodel("in.caffemodel"))
    assert edit("channels", "conv", "4") == 0
    assert "conv: assumed to have one group" in capsys.readouterr().out
    assert edit("channels", "conv", "4", "--net", "net.prototxt", "--force") == 0
    assert "one group" not in capsys.readouterr().out
