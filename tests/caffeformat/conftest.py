"""Fixtures of this room: where its golden files lie."""

import pytest
from places import GOLDEN


@pytest.fixture
def golden_files():
    """The folder with one of each file that BVLC Caffe writes or reads."""
    return GOLDEN / "files"
