"""docs/rest.md: it is what its program writes, and its curl lines lead from a folder to a mask."""

import importlib
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from places import REPO
from served_workbench import serving
from tiny_segmentation import net_text, write_dataset

from fcnkit.commands import main


def test_the_page_is_current(monkeypatch):
    monkeypatch.syspath_prepend(str(REPO / "docs"))
    maker = importlib.import_module("make_rest")
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page(), "run docs/make_rest.py"


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")
def test_its_lines_make_a_mask(tmp_path):
    data, here = tmp_path / "data", tmp_path / "here"
    data.mkdir()
    here.mkdir()
    write_dataset(str(data / "squares"))
    (here / "net.prototxt").write_text(net_text())
    shutil.copy(data / "squares" / "val" / "images" / "val_1.png", here / "photo.png")
    (here / "list.txt").write_text("squares/val/images/val_0.png 0\n")
    text = (REPO / "docs" / "rest.md").read_text()
    (script,) = (block for block in re.findall(r"```sh\n(.*?)```", text, re.S) if "A=http" in block)
    with serving(tmp_path, data) as (address, _):
        script = re.sub(r"^A=.*", f"A={address.rstrip('/')}", script)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=600,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"error' not in done.stdout, done.stdout
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert answers[-1]["status"] == "deleted"
    assert [each["status"] for each in answers[-2]["models"]] == ["Done"]
    assert answers[-2]["models"][0]["name"] == "renamed"
    arguments = [str(here / "photo.png"), "-o", str(here / "out"), "--digits-model"]
    assert main.run_module("fcnkit.commands.infer", [*arguments, str(here / "model.tar.gz")]) == 0
    ours, theirs = (Image.open(here / name) for name in ("mask.png", "out/photo.png"))
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))
