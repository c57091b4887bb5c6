"""Flags are parsed as Caffe's tools parse them, and wrong ones are reported."""

import pytest

from caffeformat import InputError
from torchcaffe import commands
from torchcaffe.__main__ import main
from torchcaffe.commands.flags import Flag, parse_flags

FLAGS = [Flag("solver", "", "a file"), Flag("gray", False, "grey"), Flag("iterations", 50, "how")]


@pytest.mark.parametrize(
    "argv", [["-solver", "a"], ["--solver", "a"], ["-solver=a"], ["--solver=a"]]
)
def test_value_follows_one_dash_or_two(argv):
    flags, others = parse_flags(["x", *argv, "y"], FLAGS)
    assert (flags.solver, flags.iterations, others) == ("a", 50, ["x", "y"])


@pytest.mark.parametrize(
    ("argument", "value"),
    [("-gray", True), ("--gray=true", True), ("-gray=0", False), ("-nogray", False)],
)
def test_switch_takes_no_next_argument(argument, value):
    flags, others = parse_flags([argument, "images/"], FLAGS)
    assert (flags.gray, others) == (value, ["images/"])


def test_negative_numbers_and_what_follows_two_dashes():
    flags, others = parse_flags(["-iterations", "-3", "--", "-solver"], FLAGS)
    assert (flags.iterations, others) == (-3, ["-solver"])


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["-solvr", "x"], r"no flag -solvr\. Did you mean -solver\?"),
        (["-nosolver"], "no flag -nosolver"),
        (["-solver"], "-solver needs a value: a file"),
        (["-iterations=many"], 'is "many"; expected a whole number'),
        (["-gray=perhaps"], "expected true or false"),
    ],
)
def test_wrong_flag_is_reported(argv, problem):
    with pytest.raises(InputError, match=problem):
        parse_flags(argv, FLAGS)


def test_wrong_flag_ends_a_command_without_traceback(capfd):
    assert main(["train", "-solvr=x"]) == 1
    error = capfd.readouterr().err
    assert "] there is no flag -solvr=x. Did you mean -solver?" in error
    assert error.startswith("F")
    assert "Traceback" not in error


def test_unknown_command_is_reported_with_the_nearest(capsys):
    assert main(["trian"]) == 2
    assert 'no command "trian". Did you mean train?' in capsys.readouterr().err


@pytest.mark.parametrize("name", list(commands.COMMANDS))
def test_every_command_lists_its_flags(name, capsys):
    assert main([name, "--help"]) == 0
    output = capsys.readouterr().out
    assert output.startswith(f"usage: torchcaffe {name} ")
    assert "-log_dir" in output
