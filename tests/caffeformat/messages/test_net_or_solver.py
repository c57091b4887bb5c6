"""A file's own text says whether it is a net or a solver."""

import pytest

from caffeformat import FormatError, InputError, is_solver


def written(tmp_path, text):
    path = tmp_path / "file.prototxt"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        'name: "n" layer { name: "r" type: "ReLU" }',
        'name: "n" layers { name: "r" type: RELU }',
        'layers { layer { name: "r" type: "relu" } }',
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8',
        'layer { type: "Interp" interp_param { zoom_factor: 2 } }',
    ],
)
def test_nets_of_any_age_and_fork_are_nets(tmp_path, text):
    assert not is_solver(written(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        'net: "net.prototxt" base_lr: 0.1',
        'net_param { layer { type: "ReLU" } }',
        '# layer {\ntrain_net: "layer { }"',
        "solver_type: ADAM",
    ],
)
def test_solvers_are_solvers_whatever_they_hold(tmp_path, text):
    assert is_solver(written(tmp_path, text))


def test_binary_nets_are_nets(golden):
    assert not is_solver(golden / "training/sgd_fixed/start.caffemodel")


@pytest.mark.parametrize(
    "text, said",
    [
        ('name: "n"\nlayer {\n  tpye: "ReLU" }', r"3:3: .*Did you mean \"type\""),
        ('net: "n"\nbase_lrr: 1', r"2:1: .*Did you mean \"base_lr\""),
        ('nett: "n"', r"1:1: neither a net \(.*\"nett\".*nor a solver \(.*\"nett\""),
        ("debug_info: true", "could be a net or a solver"),
        ("", "neither a net .*empty"),
    ],
)
def test_what_is_neither_or_both_is_told_where_it_goes_wrong(tmp_path, text, said):
    with pytest.raises(FormatError, match=said):
        is_solver(written(tmp_path, text))


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        is_solver(tmp_path / "none.prototxt")
