"""What all rooms' tests share: where files are found, and which tests belong to the full tier."""

import os
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent

# pytest puts this folder on the import path, and an editable install is asked after that path:
# without a package further along it, `import caffeformat` would find the folder of its tests.
sys.path.append(str(REPO))


def pytest_addoption(parser):
    parser.addoption(
        "--full",
        action="store_true",
        help="run the full tier too: what needs BVLC Caffe, a browser or hours",
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--full") or "full" in (config.getoption("markexpr") or ""):
        return
    skip = pytest.mark.skip(reason="full tier: give --full or -m full")
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def repo():
    """This repository's folder."""
    return REPO


@pytest.fixture(scope="session")
def golden():
    """The folder of files that BVLC Caffe 1.0 computed."""
    return REPO / "tests" / "golden"


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real images beside the repository; tests that want it skip where it is not."""
    folder = REPO.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}")
    return folder


@pytest.fixture(scope="session")
def bvlc_root():
    """The Debian 11 folder with BVLC Caffe and Python 2.7: FCNKIT_BVLC_ROOT, or .bullseye here."""
    root = Path(os.environ.get("FCNKIT_BVLC_ROOT") or REPO / ".bullseye").resolve()
    if not (root / "usr/lib/python3/dist-packages/caffe").is_dir():
        pytest.skip(f"no BVLC Caffe in {root}; make it with scripts/setup_bvlc_caffe.sh")
    return root
