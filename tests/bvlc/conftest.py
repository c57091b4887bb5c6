"""BVLC Caffe with this project, as it is now, installed beside it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


class Bvlc:
    """Runs commands inside the Debian 11 folder; paths mean the same there as here."""

    def __init__(self, root, repo, site):
        self.root, self.repo, self.site = root, repo, site

    def run(self, *command, cwd, check=True, env=()):
        """The finished process of `command`, run in folder `cwd`; output is captured as text.

        Fails the test with the command's output where it ends badly, unless `check` is false.
        """
        process = subprocess.run(
            [self.repo / "scripts/bvlc_run.sh", "-s", self.site, self.root, *map(str, command)],
            cwd=cwd,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **dict(env)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if check and process.returncode:
            pytest.fail(f"{command} ended with {process.returncode}:\n{process.stdout[-8000:]}")
        return process


@pytest.fixture(scope="session")
def bvlc(bvlc_root, repo):
    site = f"/opt/fcnkit-tests-{os.getpid()}"
    subprocess.run([repo / "scripts/bvlc_install.sh", bvlc_root, site], check=True)
    yield Bvlc(bvlc_root, repo, site)
    shutil.rmtree(f"{bvlc_root}{site}")


@pytest.fixture(scope="session")
def on_engine(bvlc):
    """`on_engine("bvlc" or "torch", script, *arguments, cwd)`: run a script of this folder."""

    def run(engine, script, *arguments, cwd):
        if engine == "bvlc":
            bvlc.run("python3", HERE / script, *arguments, cwd=cwd)
            return
        subprocess.run(
            [sys.executable, HERE / script, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "FCNKIT_ENGINE": "torch"},
            check=True,
        )

    return run


@pytest.fixture(scope="session")
def train_on(on_engine):
    """`train_on(engine, folder, solver, steps, *options)`: losses of a run of engine_train.py."""

    def train(engine, folder, solver, steps, *options):
        on_engine(engine, "engine_train.py", solver, steps, "losses.npz", *options, cwd=folder)
        with np.load(folder / "losses.npz") as out:
            return out["losses"]

    return train
