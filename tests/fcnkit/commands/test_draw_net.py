"""The command draw_net: any prototxt into a picture."""

import pytest
from PIL import Image

from fcnkit.commands import draw_net, main

NET = """
name: "small"
layer { name: "images" type: "Data" top: "data" top: "label" include { phase: TRAIN } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  param { lr_mult: 10 } inner_product_param { num_output: 5 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" include { phase: TRAIN } }
"""


def draw(*arguments):
    return main.run_module(draw_net, list(map(str, arguments)))


def test_one_phase_is_drawn_with_the_shapes_that_are_told(tmp_path, capsys):
    (tmp_path / "net.prototxt").write_text(NET)
    picture = tmp_path / "net.svg"
    options = ["--phase", "TRAIN", "--shape", "data=4,3,8,8", "--shape", "label=4"]
    assert draw(tmp_path / "net.prototxt", picture, *options, "--display_lrm") == 0
    text = picture.read_text(encoding="utf-8")
    assert "4 × 5" in text and "SoftmaxWithLoss" in text and "lr × 10" in text and ">label<" in text
    out, err = capsys.readouterr()
    assert out == f"Drawing net to {picture}\n" and err == ""


def test_shapes_that_nobody_told_are_assumed_aloud(tmp_path, capsys):
    (tmp_path / "net.prototxt").write_text(NET)
    assert draw(tmp_path / "net.prototxt", tmp_path / "net.dot") == 0
    assert "--shape data=N,C,H,W" in capsys.readouterr().err


@pytest.mark.slow
def test_a_published_net_becomes_a_png(tmp_path):
    picture = tmp_path / "net.png"
    assert (
        draw("voc_fcn8s", picture, "--rankdir", "LR", "--scale", "0.5", "--highlight", "score_fr")
        == 0
    )
    with Image.open(picture) as image:
        assert image.width > image.height


def test_what_is_wrong_is_said(tmp_path, capsys):
    (tmp_path / "net.prototxt").write_text(NET.replace("InnerProduct", "InnerProduct2", 1))
    net = tmp_path / "net.prototxt"
    assert draw(net, tmp_path / "net.gif") == 1
    assert ".svg" in capsys.readouterr().err
    assert draw(net, tmp_path / "net.svg", "--shape", "data=3,x") == 1
    assert "--shape data=3,x" in capsys.readouterr().err
    assert draw(net, tmp_path / "net.svg") == 0  # a type that nobody knows is drawn as well
    assert draw(net, tmp_path / "no" / "net.svg") == 1


def test_a_picture_that_is_there_is_replaced_only_by_force(tmp_path, capsys):
    (tmp_path / "net.prototxt").write_text(NET)
    net, picture = tmp_path / "net.prototxt", tmp_path / "net.svg"
    picture.write_text("of another net")
    assert draw(net, picture) == 1
    assert "pass --force" in capsys.readouterr().err
    assert picture.read_text() == "of another net"
    assert draw(net, picture, "--force") == 0
    assert "<svg" in picture.read_text(encoding="utf-8")
