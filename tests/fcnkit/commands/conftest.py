"""A small dataset and a folder with a solver, for the tests of `train`."""

import pytest
from tiny_segmentation import write_dataset, write_solver

from fcnkit.training import curves


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The folder of a dataset that tests only read."""
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with a solver and its net in it; curves are not drawn, to save time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda *_: None)
    write_solver(tmp_path)
    return tmp_path


@pytest.fixture
def tree():
    """A function that returns {relative path: content} of all files below a folder."""

    def contents(folder):
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}

    return contents
