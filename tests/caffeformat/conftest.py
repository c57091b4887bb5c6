"""Fixtures of this room: where its golden files lie."""

from pathlib import Path

import pytest


@pytest.fixture
def golden_files():
    """The folder with one of each file that BVLC Caffe writes or reads."""
    return Path(__file__).resolve().parent.parent / "golden" / "files"
