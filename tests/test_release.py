"""A release: sdist and wheel are built, and the wheel works where there is no checkout."""

import os
import re
import subprocess
import sys
import textwrap

import pytest
from places import REPO

pytestmark = pytest.mark.slow


def run(*command, cwd, **options):
    """The output of a command that has to succeed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The folder with the sdist of what git tracks here and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("release")
    run("git", "clone", "--quiet", REPO, folder / "source", cwd=folder)
    run(sys.executable, "-m", "build", "--outdir", folder / "dist", folder / "source", cwd=folder)
    return folder / "dist"


@pytest.fixture(scope="module")
def installed(release, tmp_path_factory):
    """The `bin` folder of a new environment that has the wheel, and what it needs, and no more."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    pip = (folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile")
    (wheel,) = release.glob("*.whl")
    run(*pip, "-c", REPO / "constraints.txt", wheel, cwd=folder)
    return folder / "bin"


def test_sdist_and_wheel_have_the_version_of_the_package(release):
    version = re.search(r'^__version__ = "(.*)"$', (REPO / "fcnkit/__init__.py").read_text(), re.M)
    names = {path.name for path in release.iterdir()}
    assert names == {f"fcnkit-{version[1]}.tar.gz", f"fcnkit-{version[1]}-py3-none-any.whl"}


def test_commands_start_without_a_checkout(installed, tmp_path):
    assert "net_surgery" in run(installed / "fcnkit", "--help", cwd=tmp_path)
    assert "train" in run(installed / "torchcaffe", "--help", cwd=tmp_path)
    assert run(installed / "python", "-m", "fcnkit", "--version", cwd=tmp_path).startswith("fcnkit")


def test_the_networks_and_the_layers_that_prototxts_name_are_there(installed, tmp_path):
    code = """
        import fcnkit, nyud_layers, pascalcontext_layers, siftflow_layers, voc_layers
        from fcnkit import zoo
        assert len(zoo.networks()) > 30
        assert fcnkit.network("voc_fcn8s").deploy().layer
        print(zoo.path("fcn_alexnet", "deploy.prototxt"))
    """
    found = run(installed / "python", "-c", textwrap.dedent(code), cwd=tmp_path).strip()
    assert str(installed.parent) in found


def test_the_demo_runs_from_the_wheel(installed, tmp_path):
    out = run(installed / "fcnkit", "demo", "--output", "demo", cwd=tmp_path)
    assert "mean iou" in out.lower()
    assert list((tmp_path / "demo").glob("*.html"))
    python = readme_python()
    for path in re.findall(r'"(demo/[^"]+)"', python):
        assert (tmp_path / path).exists(), f"README names {path}, the demo does not make it"
    run(installed / "python", "-c", python, cwd=tmp_path)


def readme_python():
    """The first block of Python in README.md."""
    return re.search(r"```python\n(.*?)```", (REPO / "README.md").read_text(), re.S)[1]
