"""Networks of the zoo and of people, as the workbench's forms and checks see them."""

import numpy as np
import pytest
from tiny_segmentation import net_text

from caffeformat import InputError, parse_text, pb, read_solver
from fcnkit import zoo
from fcnkit.workbench import networks

LAYER = 'layer { name: "x" type: "%s" top: "x" %s }'


def test_a_recipe_of_the_zoo_fills_the_form():
    solver = read_solver(zoo.path("fcn_shapes", "solver.prototxt"))
    found = networks.recipe("fcn_shapes")
    assert float(found["learning_rate"]) == pytest.approx(solver.base_lr)
    assert found["solver_type"] == solver.type
    assert found["momentum"] == pytest.approx(solver.momentum)


@pytest.mark.parametrize(
    "fields, expected",
    [
        (
            'lr_policy: "step" stepsize: 250 gamma: 0.1',
            {"lr_step_size": 25.0, "lr_step_gamma": 0.1},
        ),
        (
            'lr_policy: "multistep" stepvalue: 500 stepvalue: 875 gamma: 0.2',
            {"lr_multistep_values": "50, 87.5", "lr_multistep_gamma": 0.2},
        ),
        ('lr_policy: "poly" power: 0.9', {"lr_poly_power": 0.9}),
        ('lr_policy: "fixed"', {}),
    ],
)
def test_steps_of_a_recipe_become_per_cent(tmp_path, monkeypatch, fields, expected):
    (tmp_path / "solver.prototxt").write_text(f"base_lr: 1e-4 max_iter: 1000 iter_size: 4 {fields}")
    monkeypatch.setattr(networks.zoo, "path", lambda name, file: str(tmp_path / file))
    found = networks.recipe.__wrapped__("any")
    always = {
        "learning_rate", "lr_policy", "momentum", "weight_decay", "batch_accumulation",
        "solver_type",
    }  # fmt: skip
    assert {key: found[key] for key in found.keys() - always} == expected
    assert (found["learning_rate"], found["batch_accumulation"]) == ("0.0001", 4)


def test_a_network_without_a_card_has_an_empty_one(tmp_path, monkeypatch):
    assert networks.card("fcn_shapes").startswith("#")
    monkeypatch.setattr(networks.zoo, "path", lambda name, file: str(tmp_path / file))
    assert networks.card.__wrapped__("any") == ""


def test_a_net_of_the_zoo_scores_the_datasets_classes():
    net = networks.zoo_net("fcn_shapes", 7)
    assert any(layer.convolution_param.num_output == 7 for layer in net.layer)
    with pytest.raises(InputError, match="vgg16: is no network of the zoo that trains on"):
        networks.zoo_net("vgg16", 7)


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "the network is empty: paste a prototxt"),
        (" \n", "the network is empty"),
        ("#" * ((2 << 20) + 1), "has 2097153 characters; at most 2097152"),
        (LAYER % ("Python", ""), "layer 'x': a Python layer runs code"),
        (LAYER % ("HDF5Output", ""), "a HDF5Output layer writes a file"),
        (LAYER % ("Data", 'data_param { source: "/etc" }'), "layer 'x': source names a file"),
        (LAYER % ("Data", 'transform_param { mean_file: "m" }'), "mean_file names a file"),
        (
            LAYER % ("Data", 'window_data_param { root_folder: "/" }'),
            "root_folder names a file",
        ),
    ],
    ids=["empty", "blank", "long", "code", "writes", "source", "mean", "root"],
)
def test_pasted_nets_name_no_files_and_no_code(text, words):
    with pytest.raises(InputError, match=words):
        networks.pasted_net(text)
    looked = networks.look_at(text)
    assert len(looked.troubles) == 1 and not looked.layers
    assert words.split(":")[-1].strip() in looked.troubles[0].text


def test_files_are_read_as_what_is_pasted(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(net_text(), encoding="utf-8-sig")
    assert networks.net_of_file(str(path)) == networks.pasted_net(net_text())
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match=r"net\.prototxt: is not a prototxt"):
        networks.net_of_file(str(path))


def test_a_mistake_is_told_with_its_place():
    looked = networks.look_at('name: "x"\nlayer { nane: "y" }\n')
    (trouble,) = looked.troubles
    assert (trouble.line, trouble.column) == (2, 9) and "nane" in trouble.text


def test_a_good_net_is_told_layer_by_layer():
    looked = networks.look_at(net_text(), 3, (24, 32))
    assert not looked.troubles and not looked.warnings and looked.classes == 3
    assert ("score", "Convolution", "1x3x24x32") in looked.layers
    looked = networks.look_at(net_text(), 5, (24, 32))
    assert looked.warnings == [
        "the net scores 3 classes, the dataset has 5: set num_output of its scoring layer to 5"
    ]


def test_what_a_training_net_lacks_is_named():
    looked = networks.look_at('layer { name: "x" type: "DummyData" top: "x" }')
    texts = [trouble.text for trouble in looked.troubles]
    assert "the training net has no Data layers for images and labels" in texts
    assert "the training net has no SoftmaxWithLoss on labels" in texts


def test_a_crop_beside_its_place_is_warned_of():
    crop = """
    layer { name: "far" type: "Crop" bottom: "score" bottom: "data" top: "cut"
      crop_param { axis: 2 offset: %d } include { stage: "deploy" } }
    """
    padded = net_text().replace("pad: 1", "pad: 10")
    for offset, warned in ((9, False), (4, True)):
        looked = networks.look_at(padded + crop % offset, 3, (24, 32))
        assert not looked.troubles
        found = [warning for warning in looked.warnings if "'far'" in warning]
        assert bool(found) == warned, looked.warnings
        if warned:
            assert "crops at offset 4; the geometry of the net asks for 9" in found[0]


def test_the_batch_is_that_of_the_training_nets_images():
    assert networks.batch_size(networks.pasted_net(net_text())) == 2
    open_size = net_text().replace("batch_size: 2", "")
    assert networks.batch_size(networks.pasted_net(open_size)) == 1
    assert networks.batch_size(parse_text(LAYER % ("DummyData", ""), pb.NetParameter)) == 1


def test_a_mean_is_subtracted_from_images_alone():
    net = parse_text(net_text(), pb.NetParameter)
    net.layer[0].transform_param.mean_file = "mean.binaryproto"
    net.layer[2].transform_param.mean_value.append(3)
    networks.subtract_mean(net, [1.0, 2.0, 3.0])
    for layer in net.layer:
        mean = np.array(layer.transform_param.mean_value).tolist()
        is_image = layer.type == "Data" and layer.top[0] == "data"
        assert mean == ([1, 2, 3] if is_image else [])
        assert not layer.transform_param.HasField("mean_file")
