"""Folders of the repository that tests read from."""

from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
TESTS = REPO / "tests"
GOLDEN = TESTS / "golden"
VECTORS = TESTS / "vectors"
