"""Shell completion: the scripts, and the answers that they get."""

import os
import shutil
import subprocess

import pytest
from own_processes import module

from fcnkit.commands import main

pytest.importorskip("argcomplete")


def completions(line, folder):
    """What `fcnkit` answers to a shell that asks how `line` may go on."""
    answer = folder / "answer"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SHELL": "bash",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    command = module("fcnkit")
    subprocess.run(command, env=environment, check=True, cwd=folder, stdin=subprocess.DEVNULL)
    return {word.strip() for word in answer.read_text().split("\n") if word.strip()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed(shell, capsys):
    assert main.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "fcnkit" in script and "_ARGCOMPLETE" in script
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_commands_options_and_choices_are_completed(tmp_path):
    assert {"train", "train_stages"} == completions("fcnkit train", tmp_path)
    expected = {"--scale-to", "--save-scores", "--scales", "--snapshot"}
    assert expected == completions("fcnkit infer --s", tmp_path)
    assert {"BGR", "RGB"} == completions("fcnkit infer --channels ", tmp_path)


def test_networks_are_completed_by_file_and_by_name(tmp_path):
    (tmp_path / "voc_mine.prototxt").write_text("")
    found = completions("fcnkit infer --net voc_", tmp_path)
    assert {"voc_mine.prototxt", "voc_fcn8s", "voc_fcn32s"} <= found


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "export"])
def test_networks_of_other_commands_are_completed_as_well(tmp_path, command):
    assert "voc_fcn8s" in completions(f"fcnkit {command} voc_fcn8", tmp_path)
