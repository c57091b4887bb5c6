"""Changed files load or end in our error: no crash, no hang, memory under a limit."""

import collections
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

FOLDER = Path(__file__).resolve().parent
WORKER = FOLDER / "worker.py"
# The names in `readers.py`, without what it imports
READERS = re.findall(r'^    "(.+)": Reader\(', (FOLDER / "readers.py").read_text(), re.MULTILINE)
# What has modules that not every installation has
NEEDS = {
    "bands": "tifffile",
    "HDF5": "h5py", "MATLAB": "scipy", "ONNX": "onnx", "ONNX model": "onnxruntime",
    "our safetensors": "safetensors",
    "scores": "flask_wtf", "form fields": "flask_wtf",
}  # fmt: skip
# Read as far as they can be read: nothing in them is worth refusing the rest for
TOLERANT = ("manifest", "log")


def outcomes(kind, first, last):
    """Counter of outcomes, and the faults, of the cases `first` to `last` - 1 of `kind`.

    A worker that dies is a fault of the case it was at; the next one goes on behind it.
    """
    counts, faults = collections.Counter(), []
    while first < last:
        command = [sys.executable, str(WORKER), kind, str(first), str(last)]
        worker = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        for line in worker.stdout.splitlines():
            case, _, outcome = line.partition(" ")
            counts[outcome.partition(":")[0] or "died"] += 1
            if not outcome.startswith(("loaded", "refused")):
                faults.append(f"{kind} {case}: {outcome or f'died ({worker.returncode})'}")
            first = int(case) + 1
        if worker.returncode and not worker.stdout:
            raise RuntimeError(f"the worker does not start ({worker.returncode})")
    return counts, faults


def check(kind, cases):
    counts, faults = outcomes(kind, 0, cases)
    print(f"{kind}: {dict(counts)}")  # `pytest -rP` shows it
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults[:20])
    assert sum(counts.values()) == cases
    return counts


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["text", "model"])
def test_changed_nets_and_weights_load_or_end_in_our_error(kind):
    counts = check(kind, 10_000)
    # Neither a fuzzer that destroys everything nor one that changes nothing.
    assert counts["loaded"] > 100 and counts["refused"] > 1000


def test_the_table_of_readers_is_read_whole():
    assert len(READERS) > 40 and len(set(READERS)) == len(READERS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", READERS)
def test_changed_files_of_every_kind_load_or_end_in_our_error(kind):
    for start, module in NEEDS.items():
        if kind.startswith(start):
            pytest.importorskip(module)
    counts = check(kind, 10_000)
    assert counts["refused"] > 10 or kind in TOLERANT


def test_some_changed_files_of_every_kind_load_or_end_in_our_error():
    """All readers in one process, which loads what they need once; first each reads its sample.

    A reader that refuses every sample would be tried by nothing.
    """
    counts = check("all", 2 * (len(READERS) + 2))
    assert counts["loaded"] > 20 and counts["refused"] > 20
