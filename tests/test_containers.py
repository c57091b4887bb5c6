"""The images of docker/: who runs in them, what they run, and that their context has all of it."""

import configparser
import fnmatch
import json
import re
import subprocess
import sys

import pytest
from places import REPO

KINDS = ["cpu", "cuda"]


def instructions(kind):
    """[(instruction, rest)] of a Dockerfile, with continued lines joined."""
    text = (REPO / "docker" / kind / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.M).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def is_in_context(path, kind):
    """Whether `path`, relative to the repository, is sent to the build: the last rule counts."""
    text = (REPO / "docker" / kind / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    parts = path.as_posix().split("/")
    sent = True
    for rule in text.split():
        pattern = rule.lstrip("!")
        if pattern.startswith("**/"):
            matches = any(fnmatch.fnmatch(part, pattern[3:]) for part in parts)
        else:
            matches = fnmatch.fnmatch(parts[0], pattern)
        if matches:
            sent = rule.startswith("!")
    return sent


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_stage_is_an_ordinary_users(kind):
    steps = instructions(kind)
    last = max(i for i, (name, _) in enumerate(steps) if name == "FROM")
    final = steps[last:]
    names = [name for name, _ in final]
    assert dict(final)["USER"] not in ("root", "0")
    assert names.index("RUN") < names.index("USER") < names.index("ENTRYPOINT")
    assert json.loads(dict(final)["ENTRYPOINT"]) == ["fcnkit"]
    assert json.loads(dict(final)["CMD"]) == ["--help"]
    # Compilers, sources and pip's cache stay behind in the first stage.
    assert [rest for name, rest in final if name == "COPY"] == [
        "--from=build /opt/fcnkit /opt/fcnkit"
    ]
    assert not any("apt-get" in rest for _, rest in steps)


@pytest.mark.parametrize("kind", KINDS)
def test_versions_are_the_pinned_ones_and_bases_are_named(kind):
    steps = instructions(kind)
    for name, rest in steps:
        if "pip install" in rest:
            assert "-c /source/constraints.txt" in rest
        if name == "FROM":
            assert re.fullmatch(r"python:3\.\d+-slim( AS build)?", rest)
    extras = configparser.ConfigParser()
    extras.read(REPO / "setup.cfg", encoding="utf-8")
    (asked,) = re.findall(r'"/source\[(.*)\]"', " ".join(rest for _, rest in steps))
    assert set(asked.split(",")) <= set(extras["options.extras_require"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_context_has_the_product_and_nothing_else(kind):
    config = configparser.ConfigParser()
    config.read(REPO / "setup.cfg", encoding="utf-8")
    folders = {"": "berkeley_layers", "fcnkit.zoo.prototxt": "prototxt"}
    for package in config["options"]["packages"].split():
        folder = folders.get(package, package.replace(".", "/"))
        file = next(path for path in (REPO / folder).rglob("*") if path.is_file())
        assert is_in_context(file.relative_to(REPO), kind) or "__pycache__" in file.parts
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "constraints.txt"):
        assert is_in_context((REPO / name).relative_to(REPO), kind)
    for name in (".git", ".venv", "tests", "docs", "benchmarks"):
        assert not is_in_context((REPO / name).relative_to(REPO), kind)
    for name, rest in instructions(kind):
        if name == "COPY" and not rest.startswith("--from"):
            source = rest.split()[0]
            assert (REPO / source).exists()
            assert source == "." or is_in_context((REPO / source).relative_to(REPO), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_documented_commands_name_the_file(kind):
    page = (REPO / "docs" / "containers.md").read_text(encoding="utf-8")
    text = (REPO / "docker" / kind / "Dockerfile").read_text(encoding="utf-8")
    (command,) = re.findall(r"^#   (docker build .*)$", text, re.M)
    assert command in page and f"-f docker/{kind}/Dockerfile" in command


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_wheel_is_built_of_the_context_alone(kind, tmp_path):
    for path in REPO.rglob("*"):
        relative = path.relative_to(REPO)
        if relative.parts[0] in (".git", ".venv") or not path.is_file():
            continue
        if is_in_context(relative, kind):
            target = tmp_path / "source" / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    command += ["--no-build-isolation", "--target", str(tmp_path / "installed")]
    subprocess.run([*command, str(tmp_path / "source")], check=True)
    shown = subprocess.run(
        [sys.executable, "-m", "fcnkit", "--version"],
        cwd=tmp_path / "installed", check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "0." in shown
    assert (tmp_path / "installed" / "fcnkit/zoo/prototxt/fcn_alexnet/deploy.prototxt").is_file()
