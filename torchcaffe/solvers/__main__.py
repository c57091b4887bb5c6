"""Launcher and ranks of `run_ranks`, as processes: `python -m torchcaffe.solvers ...`.

launch FOLDER COUNT RESTARTS    runs torchrun's elastic agent, which starts the ranks
rank FOLDER                     does the work of one rank
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Client
from typing import TYPE_CHECKING, Any

from caffeformat import InputError
from caffeformat.files import open_file
from caffeformat.processes import run_module
from torchcaffe.core import LostSolversError

from .joining import end_with_parent
from .ranks import FAILURES, JOB, Line

if TYPE_CHECKING:
    from collections.abc import Sequence

_GRACE = 5  # seconds that ranks get to end when told to


def main(argv: Sequence[str]) -> int:
    """Run as launcher or rank; returns the exit status."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    kind, folder, *numbers = argv
    if kind == "launch":
        return launch(folder, *map(int, numbers))
    return run_rank(folder)


def launch(folder: str, count: int, restarts: int) -> int:
    """Run torchrun's agent until all ranks have ended; notes who failed in the folder."""
    threading.Thread(target=_end_with_input, args=(folder,), daemon=True).start()
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.pop("LOGLEVEL", None)
    # Before PyTorch 2.13 the agent's own grace period is the one there is.
    fields = LaunchConfig.__dataclass_fields__
    grace: dict[str, Any] = {"shutdown_timeout": _GRACE} if "shutdown_timeout" in fields else {}
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=os.path.basename(folder),
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        logs_specs=DefaultLogsSpecs(log_dir=os.devnull),
        max_restarts=restarts,
        signals_to_handle="SIGTERM",
        **grace,
    )
    try:
        elastic_launch(config, sys.executable)(*run_module("torchcaffe.solvers"), "rank", folder)
    except ChildFailedError as error:
        ends = [(_order(f.exitcode), rank, f.exitcode) for rank, f in error.failures.items()]
        with open(os.path.join(folder, FAILURES), "w", encoding="utf-8") as file:
            file.write("{} {}".format(*min(ends)[1:]))
        return 1
    except SignalException:
        return 1
    return 0


def _order(status: int) -> int:
    """Sort how a rank has ended: by itself, after it had lost others, by the agent."""
    return {1: 1, -signal.SIGTERM: 2}.get(status, 0)


def _end_with_input(folder: str) -> None:
    """End at once when the process that has started this one has; its ranks notice that."""
    sys.stdin.read()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def run_rank(folder: str) -> int:
    """Do the work in the folder's job as one rank, and report how it ended."""
    end_with_parent()
    with open_file(os.path.join(folder, JOB)) as file:
        place, address, key, job = pickle.load(file)
    rank = int(os.environ["RANK"])
    with Client(address, authkey=key) as line:
        line.send(rank)
        os.chdir(place)
        try:
            work, arguments = pickle.loads(job)
            line.send(("done", work(Line(rank, line), *arguments)))
            return 0
        except LostSolversError:
            return 1  # whoever has ended is the one to speak of
        except InputError as error:
            line.send(("error", error.text, error.options))
        except OSError as error:
            line.send(("error", str(error), {}))
        except Exception:
            line.send(("bug", traceback.format_exc()))
        with contextlib.suppress(EOFError, OSError):
            while True:  # until the caller ends all ranks, so that none is started again
                line.recv()
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
