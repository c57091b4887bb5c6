"""Prototxts are what their declarations write, which take other classes and channels."""

import pytest

from caffeformat import InputError, infer_shapes, pb, read_text
from fcnkit import zoo
from fcnkit.zoo import writing
from fcnkit.zoo.__main__ import main


@pytest.mark.parametrize("network", zoo.networks())
def test_the_files_are_what_the_declaration_writes(network):
    assert not writing.stale(network), f"run: python -m fcnkit.zoo {network}"


@pytest.mark.parametrize("network", zoo.networks())
def test_a_network_has_a_solver_whose_net_is_there_and_a_card(network):
    solver = read_text(zoo.path(network, "solver.prototxt"), pb.SolverParameter)
    assert zoo.path(network, solver.net)
    assert zoo.path(network, "README.md")


def test_a_changed_file_is_found_and_written_again(monkeypatch, tmp_path, capsys):
    path = tmp_path / "net.prototxt"
    monkeypatch.setattr(writing, "render", lambda network: {str(path): 'name: "x"\n'})
    path.write_text('name: "y"\n')
    assert main(["--check", "fcn_alexnet"]) == 1
    assert "net.prototxt" in capsys.readouterr().err
    assert main(["fcn_alexnet"]) == 0
    assert path.read_text() == 'name: "x"\n'
    assert main(["--check", "fcn_alexnet"]) == 0


def test_an_unknown_network_or_file_is_answered_with_those_there_are():
    with pytest.raises(InputError, match=r"no network fcn_alxnet; there are .*fcn_alexnet"):
        zoo.path("fcn_alxnet", "deploy.prototxt")
    with pytest.raises(InputError, match=r"has no train\.prototxt; it has deploy\.prototxt"):
        zoo.path("fcn_alexnet", "train.prototxt")


@pytest.mark.parametrize("network", ["fcn_alexnet", "voc_fcn_alexnet"])
def test_classes_and_channels_are_arguments(network):
    net = zoo.spec(network).deploy(classes=11, channels=1)
    shapes = infer_shapes(net, {"data": (1, 1, 333, 501)})
    assert tuple(shapes["score"]) == (1, 11, 333, 501)


@pytest.mark.parametrize(
    "network", ["fcn_alexnet", "voc_fcn_alexnet", "voc_fcn8s", "nyud_fcn32s_color_hha"]
)
def test_learned_upsampling_learns_from_a_bilinear_start(network):
    layers = [
        layer
        for layer in zoo.spec(network).deploy(learned=True).layer
        if layer.type == "Deconvolution"
    ]
    assert layers
    for layer in layers:
        assert [param.lr_mult for param in layer.param] == [1]
        assert layer.convolution_param.group == layer.convolution_param.num_output
        assert layer.convolution_param.weight_filler.type == "bilinear"
