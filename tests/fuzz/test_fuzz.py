"""Changed files load or end in our error: no crash, no hang, memory under a limit."""

import collections
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

WORKER = Path(__file__).resolve().parent / "worker.py"


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


@pytest.mark.parametrize("kind", ["text", "model"])
@pytest.mark.parametrize("cases", [30, pytest.param(10_000, marks=pytest.mark.slow)])
def test_changed_files_load_or_end_in_our_error(kind, cases):
    counts, faults = outcomes(kind, 0, cases)
    print(f"{kind}: {dict(counts)}")  # `pytest -rP` shows it
    assert not faults, "\n".join(faults[:20])
    assert sum(counts.values()) == cases
    # Neither a fuzzer that destroys everything nor one that changes nothing.
    assert counts["loaded"] > cases / 100 and counts["refused"] > cases / 10
