"""docs/rest.md: it is what its program writes, and its curl lines lead from data to a mask."""

import importlib
import json
import re
import shutil
import subprocess
import tarfile

import numpy as np
import pytest
from fork_networks import random_weights
from PIL import Image
from places import REPO
from served_workbench import serving
from tiny_segmentation import net_text, write_dataset

from caffeformat import read_net, write_caffemodel
from fcnkit import zoo
from fcnkit.commands import main
from fcnkit.demo import CLASSES, write_archive


def test_the_page_is_current(monkeypatch):
    monkeypatch.syspath_prepend(str(REPO / "docs"))
    maker = importlib.import_module("make_rest")
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page(), "run docs/make_rest.py"


needs_curl = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq"
)


def run_lines(number, tmp_path):
    """Run a block of the page's lines against a workbench; returns the JSON that they print.

    Data are in `tmp_path`/data; the lines run in `tmp_path`/here.
    """
    text = (REPO / "docs" / "rest.md").read_text()
    blocks = [block for block in re.findall(r"```sh\n(.*?)```", text, re.S) if "A=http" in block]
    with serving(tmp_path, tmp_path / "data") as (address, _):
        script = re.sub(r"^A=.*", f"A={address.rstrip('/')}", blocks[number])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path / "here",
            capture_output=True,
            text=True,
            timeout=600,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"error' not in done.stdout, done.stdout
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.slow
@needs_curl
def test_its_lines_make_a_mask(tmp_path):
    data, here = tmp_path / "data", tmp_path / "here"
    data.mkdir()
    here.mkdir()
    write_dataset(str(data / "squares"))
    (here / "net.prototxt").write_text(net_text())
    shutil.copy(data / "squares" / "val" / "images" / "val_1.png", here / "photo.png")
    (here / "list.txt").write_text("squares/val/images/val_0.png 0\n")
    answers = run_lines(0, tmp_path)
    assert answers[-1]["status"] == "deleted"
    assert [each["status"] for each in answers[-2]["models"]] == ["Done"]
    assert answers[-2]["models"][0]["name"] == "renamed"
    arguments = [str(here / "photo.png"), "-o", str(here / "out"), "--digits-model"]
    assert main.run_module("fcnkit.commands.infer", [*arguments, str(here / "model.tar.gz")]) == 0
    ours, theirs = (Image.open(here / name) for name in ("mask.png", "out/photo.png"))
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))


@pytest.mark.slow
@needs_curl
def test_its_lines_make_an_fcn_by_surgery(tmp_path):
    data, here = tmp_path / "data", tmp_path / "here"
    (data / "classifier").mkdir(parents=True)
    here.mkdir()
    write_archive(data / "shapes.tar", 12, 4, 1)
    (data / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    net = read_net(zoo.path("shapes_classifier", "deploy.prototxt"))
    weights = data / "classifier" / "shapes_classifier_iter_1600.caffemodel"
    write_caffemodel(weights, random_weights(net), net)
    with tarfile.open(data / "shapes.tar") as archive:
        member = next(each for each in archive.getmembers() if each.name.endswith(".jpg"))
        Image.open(archive.extractfile(member)).save(here / "photo.png")
    (model,) = (each for each in run_lines(1, tmp_path) if "iterations" in each)
    assert model["status"] == "Done" and model["iterations"][-1] == 24 and model["best"]
    (run,) = (tmp_path / "jobs").glob("2*/run")
    arguments = [str(here / "photo.png"), "-o", str(here / "out"), "--run", str(run)]
    assert main.run_module("fcnkit.commands.infer", [*arguments, "--snapshot", "best"]) == 0
    ours, theirs = (Image.open(here / name) for name in ("mask.png", "out/photo.png"))
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))
