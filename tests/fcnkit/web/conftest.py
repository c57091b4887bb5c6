"""The preview's tests need Flask; their net needs an engine."""

import importlib.util

import pytest

if importlib.util.find_spec("flask_wtf") is None:
    collect_ignore_glob = ["test_*.py"]  # the preview's extra is not installed: fcnkit[web]
else:
    from host_case import infer, ours


@pytest.fixture(scope="session", autouse=True)
def an_engine(needs_engine):
    """Every page shows what a network computes."""


@pytest.fixture(scope="session")
def scores(an_engine, tmp_path_factory):
    """A folder of masks and scores that `infer` wrote: a, b and c."""
    return infer(str(tmp_path_factory.mktemp("scores")), "abc")


@pytest.fixture(scope="session")
def extensions():
    return ours()
