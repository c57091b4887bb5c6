"""Old nets and solvers become what Caffe's own upgrade tools make of them."""

import pytest

from caffeformat import (
    InputError,
    format_text,
    parse_text,
    pb,
    read_net,
    read_solver,
    read_text,
    upgrade_net,
    upgrade_solver,
)


@pytest.mark.parametrize("name", ["old_v0", "old_v1"])
def test_old_nets_as_caffe_upgrades_them(golden_files, name):
    expected = (golden_files / f"{name}_upgraded.prototxt").read_text()
    assert format_text(read_net(golden_files / f"{name}.prototxt")) == expected


def test_old_solver_as_caffe_upgrades_it(golden_files):
    solver = read_text(golden_files / "old_solver.prototxt", pb.SolverParameter)
    assert upgrade_solver(solver) == ['solver_type NESTEROV turned into type "Nesterov"']
    assert format_text(solver) == (golden_files / "old_solver_upgraded.prototxt").read_text()


def _upgraded(text):
    net = parse_text(text, pb.NetParameter)
    notes = upgrade_net(net)
    return net, notes


def test_data_transformations_move_to_their_own_message():
    net, _ = _upgraded(
        'layers { name: "d" type: DATA data_param { source: "x" crop_size: 5 mean_file: "m" } }'
        'layers { name: "w" type: WINDOW_DATA window_data_param { scale: 2 } }'
    )
    assert net.layer[0].data_param == pb.DataParameter(source="x")
    assert net.layer[0].transform_param == pb.TransformationParameter(crop_size=5, mean_file="m")
    assert net.layer[1].transform_param == pb.TransformationParameter(scale=2)


def test_v0_data_fields_move():
    net, _ = _upgraded(
        'layers { layer { name: "d" type: "images" source: "s" batchsize: 2 cropsize: 7 scale: 0.5 '
        "shuffle_images: true new_height: 9 } }"
    )
    layer = net.layer[0]
    assert layer.type == "ImageData" and layer.image_data_param.shuffle
    assert layer.image_data_param.batch_size == 2 and layer.image_data_param.new_height == 9
    assert layer.transform_param == pb.TransformationParameter(crop_size=7, scale=0.5)


def test_three_batch_norm_params_lose_their_multipliers():
    net, notes = _upgraded('layer { name: "bn" type: "BatchNorm" param {} param {} param {} }')
    assert [(p.lr_mult, p.decay_mult) for p in net.layer[0].param] == [(0, 0)] * 3
    assert "bn" in notes[0]


def test_a_current_net_is_left_alone():
    net, notes = _upgraded('layer { name: "a" type: "ReLU" }')
    assert notes == [] and net.layer[0] == pb.LayerParameter(name="a", type="ReLU")


@pytest.mark.parametrize(
    "text, words",
    [
        ('layers { name: "a" type: RELU } layer { name: "b" }', 'both "layer" and'),
        ('layers { layer { name: "a" type: "convv" } }', 'unknown type "convv"'),
        ('layers { layer { name: "a" type: "relu" kernelsize: 3 } }', "is not a field of"),
        ('input: "a" input_dim: 1 input_dim: 2', "2 input_dim for 1 input"),
        (
            'layers { layer { name: "p" type: "padding" pad: 1 } bottom: "x" top: "y" }'
            'layers { layer { name: "r" type: "relu" } bottom: "y" top: "y" }',
            "is padded by",
        ),
    ],
)
def test_nets_that_cannot_be_upgraded(text, words):
    with pytest.raises(InputError, match=words):
        _upgraded(text)


def test_solver_with_both_types_names_its_file(tmp_path):
    path = tmp_path / "solver.prototxt"
    path.write_text('type: "Adam" solver_type: SGD')
    with pytest.raises(InputError, match=f"{path}.*older solver_type"):
        read_solver(path)


def test_snapshot_prefix_as_caffe_completes_it(tmp_path):
    path = tmp_path / "my_solver.prototxt"
    for prefix, expected in [
        ("", str(tmp_path / "my_solver")),
        (f'snapshot_prefix: "{tmp_path}"', str(tmp_path / "my_solver")),
        ('snapshot_prefix: "snap"', "snap"),
    ]:
        path.write_text("base_lr: 1 " + prefix)
        assert read_solver(path).snapshot_prefix == expected
