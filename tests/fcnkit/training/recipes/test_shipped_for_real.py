"""Every recipe of the tutorials trains all its stages on small datasets, killed and continued."""

import glob
import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest
from own_processes import module
from tiny_archives import write_datasets

from caffeformat import Weights, write_caffemodel
from fcnkit import nets
from fcnkit.training import read_recipe, recipe_names
from fcnkit.training.recipes import plan_stages
from fcnkit.training.run_files import RunFiles

pytestmark = [pytest.mark.usefixtures("needs_engine"), pytest.mark.slow]

# What makes steps and files small; the networks stay whole but for Berkeley's, whose three stages
# would write ten gigabytes.
GLUONCV = ["--augment", "gluoncv", "base=64", "crop=48"]
PSPNET = [*GLUONCV, "--set", "form=size=48x48 auxiliary=yes auxiliary_weight=0.5"]
SMALLER = {
    "berkeley_fcn_32s_16s_8s": ["--set", "form=width=0.0625"],
    "digits_fcn_alexnet": [],
    "mindspore_fcn8s": ["--augment", "mindspore", "crop=64"],
    "blog_fcn_resnet50": ["--augment", "blog", "base=64", "crop=48"],
    "gluoncv_fcn_resnet50": GLUONCV,
    "gluoncv_fcn_resnet101": GLUONCV,
    "gluoncv_pspnet50": PSPNET,
    "gluoncv_pspnet101_coco": PSPNET,
}


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    pytest.importorskip("scipy")
    return write_datasets(tmp_path_factory.mktemp("archives"))


def write_weights(recipe, folder):
    """Weights of the first layer that has any, in place of a classifier's."""
    (first, *_) = plan_stages(recipe, {}, str(folder / "plan"), must_have=False)
    files = RunFiles(first.stage.recipe.solver)
    (layer, (blob, *_)), *_ = nets.net_parameters(nets.deploy_net(files.deploy, (64, 64), 3)[0])
    weights = Weights(name="classifier")
    random = np.random.RandomState(0)
    weights[layer.name] = [(0.01 * random.standard_normal(blob.shape)).astype(np.float32)]
    weights.types[layer.name] = layer.type
    path = str(folder / "classifier.caffemodel")
    write_caffemodel(path, weights)
    return path


def test_all_have_a_smaller_form():
    assert sorted(SMALLER) == recipe_names()


@pytest.mark.parametrize("name", sorted(SMALLER))
def test_all_stages_run_killed_and_continued(name, datasets, tmp_path):
    changes = [text for text in SMALLER[name] if text.startswith("form=")]
    recipe = read_recipe(name, changes)
    command = [*module("fcnkit"), "train_stages", "--recipe", name, "-o", "run",
               "--weights", write_weights(recipe, tmp_path),
               "--data", *(f"{role}={datasets[role]}" for role in recipe.roles),
               "--iterations", "2", "--batch-size", "1", "--keep", "1", *SMALLER[name],
               "--set", "images_per_update=1", "--set", "snapshot_interval=1"]  # fmt: skip
    if name not in ("digits_fcn_alexnet", "mindspore_fcn8s"):
        command += ["--set", "test_interval=2"]
    settings = {"cwd": tmp_path, "text": True, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **settings)
    # While a snapshot is there, and the last stage has not ended: the first is soon removed.
    sign = str(tmp_path / "run" / recipe.stages[-1].name / "*_iter_*.solverstate")
    deadline = time.monotonic() + 240
    while not glob.glob(sign) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.stderr.read()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=280, **settings)
    assert done.returncode == 0, done.stderr
    for stage in recipe.stages:
        folder = tmp_path / "run" / stage.name
        record = json.loads((folder / "stage.json").read_text())
        assert 0 <= record["end"]["pixel_accuracy"] <= 1
        assert len(glob.glob(str(folder / "*_iter_*.solverstate"))) == 1
        assert glob.glob(str(folder / "*_best.caffemodel"))
        assert f"\n{stage.name} " in done.stdout
        for path in glob.glob(str(folder / "*.caffemodel")):
            os.remove(path)  # they are large
