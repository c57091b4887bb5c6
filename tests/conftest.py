"""What the tests of all rooms share: places, tiers, engines.

The quick tier is what `pytest` runs. Marks name what the full tier (`--full`) needs on top: `bvlc`,
`browser`, `gpu`, or only time (`slow`). The full tier runs what this machine can, and lists at
its end what it left out and why.
"""

import collections
import gc
import os
import shutil
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
REPO = TESTS.parent
# Modules that several tests use; they are imported by their own names.
sys.path.insert(0, str(TESTS / "support"))
# No test goes by what an earlier run found out.
os.environ.setdefault("FCNKIT_CACHE", "")

FULL_TIER = ("bvlc", "browser", "gpu", "slow")
_left_out = {"count": 0}  # tests; told at the end


def pytest_addoption(parser):
    parser.addoption(
        "--full",
        action="store_true",
        help=f"run the full tier as well: tests marked {', '.join(FULL_TIER)}",
    )


@pytest.hookimpl(hookwrapper=True)  # the form that pytest 6 of Debian 11 knows, too
def pytest_collection(session):
    """Collect without collecting garbage, and leave what was collected out of it afterwards.

    Thousands of tests and PyTorch are objects that stay; searching them takes seconds.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config, items):
    asked = config.getoption("markexpr") or ""
    _keep_few(items)
    left_out = []
    for item in items:
        if "test_digits_browser.py" in item.nodeid:  # runs under Python 2.7's unittest, too
            item.add_marker("browser")
        marks = [name for name in FULL_TIER if item.get_closest_marker(name)]
        if not marks:
            continue
        if not config.getoption("--full") and not any(name in asked for name in marks):
            left_out.append(item)
            continue
        for name in marks:
            missing = _missing(name)
            if missing:
                item.add_marker(pytest.mark.skip(reason=missing))
    if left_out:  # not skipped: thousands of skipped tests take a tenth of the quick tier's time
        _left_out["count"] = len(left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]
        config.hook.pytest_deselected(items=left_out)


def pytest_sessionfinish(session):
    """Let pytest-xdist's controller know how many tests its workers left out."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = _left_out["count"]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    _left_out["count"] = getattr(node, "workeroutput", {}).get("left_out", 0)


def _keep_few(items):
    """Move all but `quick_cases(n)` of a test's cases to the full tier.

    Those that stay are spread over the list, first and last among them: neighbours are alike.
    """
    cases = collections.defaultdict(list)
    for item in items:
        if item.get_closest_marker("quick_cases") and not item.get_closest_marker("slow"):
            cases[item.nodeid.partition("[")[0]].append(item)
    for alike in cases.values():
        few = alike[0].get_closest_marker("quick_cases").args[0]
        last, gaps = len(alike) - 1, max(few - 1, 1)
        kept = {place * last // gaps for place in range(few)}
        for place, item in enumerate(alike):
            if place not in kept:
                item.add_marker("slow")


def _missing(mark):
    """What this machine lacks for the tests of `mark`, or None."""
    if mark == "gpu":
        return None if _has_gpu() else "needs a CUDA device"
    if mark == "bvlc":
        found = (_bvlc_root() / "usr/lib/python3/dist-packages/caffe").is_dir()
        return None if found else "needs BVLC Caffe: scripts/setup_bvlc_caffe.sh"
    if mark == "browser":
        found = shutil.which("chromium") or shutil.which(os.environ.get("CHROMIUM", "chromium"))
        node = shutil.which("node") or shutil.which("nodejs")
        modules = (TESTS / "digits_plugin" / "browser" / "node_modules").is_dir()
        if found and node and modules:
            return None
        return "needs Chromium, Node and `npm install` in tests/digits_plugin/browser"
    return None


def _has_gpu():
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def pytest_terminal_summary(terminalreporter, config):
    """Count what the quick tier left out, list what the full one did."""
    if not config.getoption("--full"):
        count = _left_out["count"]
        if count:
            terminalreporter.write_line(f"{count} tests of the full tier left out: pass --full")
        return
    reasons = collections.Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    if reasons:
        terminalreporter.section("left out of the full tier")
        for reason, count in reasons.most_common():
            terminalreporter.line(f"{count:5} {reason}")


def _bvlc_root():
    return Path(os.environ.get("FCNKIT_BVLC_ROOT") or REPO / ".bullseye").resolve()


@pytest.fixture(scope="session")
def repo():
    """This repository's folder."""
    return REPO


@pytest.fixture(scope="session")
def golden():
    """The folder of files that BVLC Caffe 1.0 computed."""
    return TESTS / "golden"


@pytest.fixture(scope="session")
def needs_engine():
    """Skips where neither BVLC Caffe nor torchcaffe can be loaded."""
    from caffeformat import InputError
    from fcnkit import engine

    try:
        engine.load()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def shared_data():
    """A folder of real images: FCNKIT_SHARED_DATA, or `shared/data` beside the repository."""
    folder = Path(os.environ.get("FCNKIT_SHARED_DATA") or REPO.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set FCNKIT_SHARED_DATA")
    return folder


@pytest.fixture(scope="session")
def bvlc_root():
    """The Debian 11 folder with BVLC Caffe and Python 2.7: FCNKIT_BVLC_ROOT, or .bullseye here."""
    missing = _missing("bvlc")
    if missing:
        pytest.skip(missing)
    return _bvlc_root()
