"""Fixtures of the preview's tests, which need Flask, and an engine for their net."""

import pytest

pytest.importorskip("flask_wtf", reason="the preview's extra is not installed: fcnkit[web]")

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
