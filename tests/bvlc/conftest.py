"""BVLC Caffe with this project, as it is now, installed beside it."""

import os
import shutil
import subprocess

import pytest


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

    def python(self, script, *arguments, cwd, **options):
        """Run a Python file of ours inside; as `run`."""
        return self.run("python3", script, *arguments, cwd=cwd, **options)


@pytest.fixture(scope="session")
def bvlc(bvlc_root, repo):
    site = f"/opt/fcnkit-tests-{os.getpid()}"
    subprocess.run([repo / "scripts/bvlc_install.sh", bvlc_root, site], check=True)
    yield Bvlc(bvlc_root, repo, site)
    shutil.rmtree(f"{bvlc_root}{site}")
