"""Names of layers, files and classes do not control the terminal, a log or a spreadsheet."""

import csv
import io
import logging
import re
from pathlib import Path

import numpy as np
import pytest

import fcnkit.commands
from caffeformat import InputError, draw_network, parse_text, pb, printable
from fcnkit.commands.console import Console
from fcnkit.commands.main import run_module
from fcnkit.commands.printing import say
from fcnkit.files import write_table

HOSTILE = "a\x1b[31m\x07b\rc\x9bd\u202ee\u2066f\u2028g\udce9h\x7fi"
SHOWN = r"a\x1b[31m\x07b\rc\x9bd\u202ee\u2066f\u2028g\udce9h\x7fi"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def test_control_characters_are_shown_escaped():
    assert printable(HOSTILE) == SHOWN
    assert printable("two\nlines\t.") == "two\nlines\t."
    assert printable("one\nline", lines=False) == r"one\nline"
    assert printable("Straße 走 é 🙂") == "Straße 走 é 🙂"


def test_whatever_commands_say_is_shown_escaped(capsys):
    console = Console(tells_story=True)
    for speak in (say, console.note, console.warn, console.line, console.done):
        speak(HOSTILE)
    out, err = capsys.readouterr()
    assert (out + err).count(SHOWN) == 5 and not CONTROL.search(out + err)


def test_errors_are_shown_escaped(capsys):
    class Command:
        __doc__ = "A command."

        @staticmethod
        def add_arguments(parser):
            pass

        @staticmethod
        def run(args):
            raise InputError(f"{HOSTILE}: no such file")

    assert run_module(Command, []) == 1
    assert SHOWN in capsys.readouterr().err


def test_no_command_prints_in_another_way():
    folder = Path(fcnkit.commands.__file__).parent
    allowed = {"printing.py", "completion.py"}  # the latter prints a program of the shell's
    for path in folder.rglob("*.py"):
        prints = re.findall(r"(?<![\w.])print\(", path.read_text(encoding="utf-8"))
        assert not prints or path.name in allowed, path


def test_a_log_line_is_one_line(needs_engine, monkeypatch):
    pytest.importorskip("torch")
    from torchcaffe import log

    # pytest captures whole records, and cannot send half a surrogate from process to process.
    monkeypatch.setattr(log.logger, "propagate", False)
    stream = io.StringIO()
    handler = log.attach(stream)
    try:
        log.info("net.cpp:86", f"Creating Layer {HOSTILE}\nI0101 forged")
        log.info("net.cpp:53", "Initializing: ", "layer {\n}")
        log.logger.log(logging.ERROR, "%s", HOSTILE)
    finally:
        log.detach(handler)
    lines = stream.getvalue().split("\n")
    assert len(lines) == 6 and lines[0].endswith(rf"{SHOWN}\nI0101 forged")
    assert not CONTROL.search(stream.getvalue().replace("\n", ""))


def test_drawn_names_are_shown_escaped(tmp_path):
    net = parse_text(
        'layer { name: "a\\033[31m\\007" type: "Input" top: "\\342\\200\\256x" '
        "input_param { shape { dim: 1 } } }",
        pb.NetParameter,
    )
    drawing = draw_network(net)
    for text in (drawing.svg(), drawing.dot()):
        assert not CONTROL.search(text.replace("\n", "")) and "x1b" in text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start, tmp_path):
    name = f"{start}HYPERLINK(1)"
    write_table(tmp_path / "t.csv", [["name", "value"], [name, -1.5], ["plain", np.float32(-2)]])
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[1] == [f"'{printable(name)}", "-1.5"] and rows[2] == ["plain", "-2.0"]
