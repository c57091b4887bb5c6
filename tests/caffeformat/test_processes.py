"""Processes that we start import nothing from the folder they run in."""

import multiprocessing
import os
import subprocess
import sys

import pytest
from own_processes import code, module

from caffeformat import processes


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with modules of the names that every process imports."""
    for name in ("numpy", "runpy", "json", "multiprocessing", "socket", "caffeformat", "torch"):
        (tmp_path / f"{name}.py").write_text("open('it_ran', 'w'); raise SystemExit('it ran')")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_modules_and_code(folder):
    for command in (module("json.tool", "--help"), code("import json, numpy, caffeformat")):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert not (folder / "it_ran").exists()


def test_empty_parts_of_pythonpath_are_left_out(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}/a{os.pathsep}{os.pathsep}b")
    assert processes.safe_path_variable() == f"/a{os.pathsep}b"
    monkeypatch.delenv("PYTHONPATH")
    assert processes.safe_path_variable() == ""


@pytest.mark.parametrize("variable", [None, os.pathsep + "/a"])
def test_processes_of_multiprocessing(folder, monkeypatch, variable):
    if variable:
        monkeypatch.setenv("PYTHONPATH", variable)
    before = dict(os.environ), os.getcwd()
    context = multiprocessing.get_context("spawn")
    with processes.importing_safely():
        process = context.Process(target=print)
        process.start()
    process.join()
    assert process.exitcode == 0 and not (folder / "it_ran").exists()
    assert (dict(os.environ), os.getcwd()) == before


def test_the_working_folder_is_forgotten_where_python_has_put_it(folder, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", [str(folder), "/a"])
    processes.forget_working_folder()
    if not getattr(sys.flags, "safe_path", False):
        assert sys.path == ["/a"]
        processes.forget_working_folder()
        assert sys.path == ["/a"]
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(sys, "path", [str(folder), "/a"])
    processes.forget_working_folder()
    assert sys.path == [str(folder), "/a"]
