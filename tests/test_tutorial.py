"""docs/tutorial.md runs from top to bottom in an empty folder, and prints what it says."""

import os
import re
import subprocess
import sys
from typing import NamedTuple

import pytest
from places import REPO

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("needs_engine")]

PAGE = REPO / "docs" / "tutorial.md"

# What the page says is there after a run of it.
FILES = [
    "voc/train/images/shapes_000000.jpg",
    "voc/val/labels/shapes_000200.png",
    "lmdb/manifest.json",
    "samples.png",
    "network.png",
    "run/curves.csv",
    "run/curves.png",
    "run/deploy.prototxt",
    "run/fcn_shapes_iter_300.caffemodel",
    "scores_images.csv",
    "scores_confusion.csv",
    "masks/shapes_000200.png",
    "masks/shapes_000200_overlay.png",
    "masks/shapes_000200.json",
]


class Block(NamedTuple):
    """A fenced block of the page: `sh`, `sh fails` (exits with 1), `python` or `text`."""

    kind: str
    text: str


def blocks():
    """The fenced blocks of the page, in order."""
    found = re.findall(r"^```([\w ]+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return [Block(*block) for block in found]


def run(block, folder):
    """Run a block; returns what it printed."""
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    if block.kind == "python":
        command = [sys.executable, "-c", block.text]
    else:
        command = ["bash", "-e", "-c", block.text]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    expected = 1 if block.kind == "sh fails" else 0
    assert done.returncode == expected, f"{block.text}{done.stdout[-3000:]}"
    return done.stdout


def pattern(line):
    """A line with numbers replaced and blanks as one: numbers differ between machines."""
    return re.sub(r"\s+", " ", re.sub(r"[\d,.]*\d%?|\b(nan|inf)\b", "#", line)).strip()


def missing(stated, printed):
    """The lines of a `text` block that were not printed; `...` stands for any lines."""
    there = {pattern(line) for part in printed.split("\n") for line in part.split("\r")}
    lines = [line for line in stated.split("\n") if line.strip() not in ("", "...")]
    return [line for line in lines if pattern(line) not in there]


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory):
    """The folder of a run, and (text stated, text printed) of every block of output."""
    folder = tmp_path_factory.mktemp("tutorial")
    printed, stated = "", []
    for block in blocks():
        if block.kind == "text":
            stated.append((block.text, printed))
        else:
            printed = run(block, folder)
            with open(folder / "outputs.txt", "a", encoding="utf-8") as file:
                file.write(f"{block.text}{printed}\n")
    return folder, stated


def test_every_output_that_the_page_states_appears(tutorial):
    _, stated = tutorial
    assert len(stated) >= 5
    for text, printed in stated:
        assert missing(text, printed) == [], printed[-3000:]


@pytest.mark.parametrize("path", FILES)
def test_files_that_the_page_names_are_there(tutorial, path):
    folder, _ = tutorial
    assert (folder / path).is_file()


def test_the_network_learns_to_see_outlines(tutorial):
    folder, _ = tutorial
    lines = (folder / "scores_classes.csv").read_text(encoding="utf-8").splitlines()
    column = lines[0].split(",").index("iou")
    ious = [float(line.split(",")[column]) for line in lines[2:]]
    assert len(ious) == 5 and sum(ious) / 5 > 0.25, ious
