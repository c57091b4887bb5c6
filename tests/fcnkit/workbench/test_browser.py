"""From an empty jobs folder to a mask in headless Chromium: the mask is that of infer.

Needs Node, Chromium and, once, `npm install` in tests/digits_plugin/browser.
FCNKIT_SHOTS names a folder that keeps the screenshots; FCNKIT_DEMO an output of `fcnkit demo`,
which saves training the classifier.
"""

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from places import TESTS
from served_workbench import serving

from fcnkit.commands import main
from fcnkit.demo import CLASSES, write_archive, write_classifier_files
from fcnkit.training import Recipe, train

pytestmark = pytest.mark.browser

MODULES = TESTS / "digits_plugin" / "browser" / "node_modules"
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser"])), None)
NODE = shutil.which("node") or shutil.which("nodejs")


def classifier(folder, archive):
    """Write the weights of a classifier of the demo's shapes; returns their path."""
    target = folder / "shapes_classifier.caffemodel"
    demo = os.environ.get("FCNKIT_DEMO")
    if demo:
        found = sorted(Path(demo, "classifier").glob("*.caffemodel"))[-1]
        shutil.copy(found, target)
        return target
    run = main.run_module
    voc, lmdb = str(folder / "voc"), str(folder / "lmdb")
    assert run("fcnkit.commands.prepare_pascal_voc_data", [str(archive), voc]) == 0
    assert run("fcnkit.commands.create_lmdb", [voc, lmdb, "--classes", "6"]) == 0
    solver = write_classifier_files(archive, lmdb, folder / "crops")
    recipe = Recipe(solver, overrides=[("max_iter", "400"), ("snapshot", "400")])
    shutil.copy(train(recipe, folder / "classifier").weights, target)
    return target


@pytest.fixture
def served(tmp_path):
    """Addresses of two workbenches with empty jobs folders; the second one asks for a password."""
    data = tmp_path / "data"
    data.mkdir()
    write_archive(data / "shapes.tar", 200, 30, 1)
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(classifier(work, data / "shapes.tar"), data)
    locked = tmp_path / "locked"
    locked.mkdir()
    with (
        serving(tmp_path, data) as (open_to_all, _),
        serving(locked, data, "--password", "secret") as (asks, _),
    ):
        yield open_to_all, asks


def keep(path, target):
    """Keep a small screenshot; photographs get along with few colours."""
    with Image.open(path) as shot:
        small = shot.convert("RGB").resize((900, 600), Image.Resampling.LANCZOS)
    small.save(target, optimize=True)
    if target.stat().st_size > 150_000:
        small.quantize(256).save(target, optimize=True)


@pytest.mark.skipif(not (CHROMIUM and NODE), reason="needs Node and Chromium")
@pytest.mark.skipif(not (MODULES / "axe-core").is_dir(), reason="needs npm install")
def test_from_an_archive_to_a_mask(tmp_path, served):
    shots = tmp_path / "shots"
    shots.mkdir()
    source = tmp_path / "one image & more.png"
    write_archive(tmp_path / "others.tar", 1, 0, 7)
    with tarfile.open(tmp_path / "others.tar") as archive:
        (member,) = [each for each in archive.getmembers() if each.name.endswith(".jpg")]
        Image.open(archive.extractfile(member)).save(source)
    mask = "one_image_more_mask.png"
    address, locked = served
    known = {"classes": list(CLASSES), "image": str(source), "mask": mask}
    known.update(jobs=str(tmp_path / "jobs"), locked=locked)
    (shots / "known.json").write_text(json.dumps(known))
    check = Path(__file__).parent / "browser" / "check.js"
    done = subprocess.run(
        [NODE, check, shots, CHROMIUM, address, MODULES],
        capture_output=True,
        text=True,
        timeout=1800,
    )
    if os.environ.get("FCNKIT_SHOTS"):
        for path in shots.glob("*.png"):
            keep(path, Path(os.environ["FCNKIT_SHOTS"], path.name))
    assert done.returncode == 0, done.stdout + done.stderr
    run = max((tmp_path / "jobs").glob("2*/run"))  # the other one is its copy
    arguments = [str(source), "-o", str(tmp_path / "out"), "--run", str(run)]
    assert main.run_module("fcnkit.commands.infer", arguments) == 0
    ours = Image.open(shots / "downloads" / mask)
    theirs = Image.open(tmp_path / "out" / f"{source.stem}.png")
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))
    assert ours.getpalette() == theirs.getpalette()
