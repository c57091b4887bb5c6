"""The command check_crops: published nets are right, a wrong offset is reported once."""

import pytest

from caffeformat import format_text, read_net
from fcnkit import zoo
from fcnkit.commands import main


def check(*arguments):
    return main.main(["check_crops", *map(str, arguments)])


def test_the_published_fcn_8s_is_right(capsys):
    assert check("voc_fcn8s") == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["score_pool4c", "has", "5,", "as", "it", "should"],
        ["score_pool3c", "has", "9,", "as", "it", "should"],
        ["score", "has", "31,", "as", "it", "should"],
    ]


def test_a_wrong_offset_is_named_and_ends_with_status_1(tmp_path, monkeypatch, capsys):
    net = read_net(zoo.path("voc_fcn8s", "deploy.prototxt"))
    for layer in net.layer:
        if layer.name == "score_pool4c":
            layer.crop_param.offset[0] = 6
    # Files may be called anything.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.txt").write_text(format_text(net))
    assert check("net.txt") == 1
    out, error = capsys.readouterr()
    assert "score_pool4c  has 6, should have 5" in out
    # The crops behind it are measured from where it should be.
    assert out.count("as it should") == 2
    assert "1 of 3 crops" in error


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ('type: "Reshape" top: "c"', "no path of layers that preserve coordinates"),
        (
            'type: "Convolution" top: "c" convolution_param { num_output: 1 kernel_size: 2 }',
            "begins at 0.5; expected a whole number",
        ),
        (
            'type: "Pooling" top: "c" pooling_param { kernel_size: 2 stride: 2 }',
            "a Crop can only align blobs of equal scale",
        ),
    ],
)
def test_the_reason_for_an_unknown_offset_is_printed(tmp_path, capsys, layer, message):
    (tmp_path / "net.prototxt").write_text(
        'input: "data" input_shape { dim: 1 dim: 1 dim: 8 dim: 8 }'
        f'layer {{ name: "c" bottom: "data" {layer} }}'
        'layer { name: "crop" type: "Crop" bottom: "data" bottom: "c" top: "crop" }'
    )
    assert check(tmp_path / "net.prototxt") == 1
    assert message in capsys.readouterr().out


def test_a_net_without_crops_is_fine(capsys):
    assert check("vgg16") == 0
    assert "no Crop layers" in capsys.readouterr().out
