"""Imports point downwards only, commands are listed, and the project speaks of itself alone."""

import ast
import subprocess
from pathlib import Path

import pytest

from fcnkit.commands.main import COMMANDS

REPO = Path(__file__).resolve().parent.parent

SUBPACKAGES = ("prototxt", "data_prep", "tools", "web")

# room -> packages of ours that it may import (itself always)
MAY_IMPORT = {
    "caffeformat": set(),
    "torchcaffe": {"caffeformat"},
    "fcnkit": {"caffeformat", "torchcaffe"},
    "berkeley_layers": {"caffeformat", "fcnkit"},
    "prototxt": {"caffeformat", "fcnkit.zoo"},
    "data_prep": {"caffeformat", "fcnkit", "data_prep"},
    "tools": {"caffeformat", "fcnkit", *(f"fcnkit.{room}" for room in SUBPACKAGES)},
    "web": {"caffeformat", "fcnkit", "data_prep", "fcnkit.zoo", "fcnkit.web"},
    "digits_plugin": set(),
}
OURS = ("caffeformat", "torchcaffe", "fcnkit", "tools", "web", "data_prep", "prototxt")


def _files(room):
    return sorted((REPO / room).rglob("*.py"))


def _imports(path):
    """(line, module) of every absolute import of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module
            yield from (
                (node.lineno, f"{node.module}.{alias.name}")
                for alias in node.names
                if node.module == "fcnkit" and alias.name in SUBPACKAGES
            )


def _package(module):
    """The room's package that a module belongs to."""
    parts = module.split(".")
    if parts[0] == "fcnkit" and len(parts) > 1 and parts[1] in SUBPACKAGES:
        return ".".join(parts[:2])
    return parts[0]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_downwards(room):
    files = _files(room)
    assert files, f"no files in {room}"
    wrong = [
        f"{path.relative_to(REPO)}:{line} imports {module}"
        for path in files
        for line, module in _imports(path)
        if _package(module).split(".")[0] in OURS
        and _package(module) not in MAY_IMPORT[room]
        and _package(module) != room
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_engine_door_knows_torchcaffe():
    users = {
        path.relative_to(REPO).as_posix()
        for path in _files("fcnkit")
        for _, module in _imports(path)
        if _package(module) in ("torchcaffe", "torch")
    }
    assert users <= {"fcnkit/engine/door.py"}


def test_only_torchcaffe_imports_torch():
    users = {
        path.relative_to(REPO).parts[0]
        for room in MAY_IMPORT
        for path in _files(room)
        for _, module in _imports(path)
        if module.split(".")[0] == "torch"
    }
    assert users <= {"torchcaffe"}


def test_every_command_is_listed():
    modules = {module.rsplit(".", 1)[1] for module, _ in COMMANDS.values()}
    for room in ("tools", "data_prep"):
        for path in _files(room):
            names = {
                node.name
                for node in ast.parse(path.read_text()).body
                if isinstance(node, ast.FunctionDef)
            }
            if {"add_arguments", "run"} <= names:
                assert path.stem in modules, f"{path} is a command that cli.COMMANDS does not list"


def test_the_project_names_no_machine():
    tracked = subprocess.run(
        ["git", "grep", "-lIE", r"(^|[^a-z.])/work/[a-z]"],
        cwd=REPO,
        capture_output=True,
        text=True,
    )
    if tracked.returncode > 1:
        pytest.skip("not a git checkout")
    assert tracked.stdout == ""
