"""Loads changed files, case after case, in a process that may die of them.

    python worker.py KIND FIRST LAST

KIND is `text` (nets) or `model` (weights); a case is a number, which decides file and changes. One
line a case tells what came of it: `<case> loaded`, `<case> refused: <our error>`, or `<case>
fault: <traceback in one line>`. A case that takes too long ends the process by SIGALRM; memory is
limited, so that what would fill it fails.
"""

import os
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import corpus
import numpy as np
from fuzz_mutations import mutated_bytes, mutated_text

import torchcaffe
from caffeformat import (
    InputError,
    filter_net,
    infer_shapes,
    insert_splits,
    pb,
    read_caffemodel,
    read_net,
)

SECONDS = 20  # a case
MEMORY = 2 << 30  # bytes beyond what is in use when the first case begins


def load_text(path, build):
    """Read a net as every user of one does; with `build` also make it, in both phases."""
    net = read_net(path)
    for phase in (pb.TRAIN, pb.TEST):
        infer_shapes(insert_splits(filter_net(net, phase)))
        if build:
            torchcaffe.Net(net_param=net, phase=phase)


def load_model(path, fork, net):
    """Read weights, into a net as well, and what the file says of its layers."""
    weights = read_caffemodel(path)
    if path.suffix != ".h5":
        read_net(path, fork=fork)
    net.copy_from(weights)


def text_cases(folder):
    """A function of a case's number that loads a changed net."""
    small, networks = corpus.texts()

    def load(case):
        rng = np.random.RandomState(case)
        # Networks are hundreds of times as long as small nets, and change in the same ways.
        build = rng.randint(8) > 0
        names = sorted(small if build else networks)
        name = names[rng.randint(len(names))]
        path = folder / "net.prototxt"
        path.write_bytes(mutated_text((small if build else networks)[name], rng))
        load_text(path, build)

    return load


def model_cases(folder):
    """A function of a case's number that loads changed weights."""
    made = folder / "made"
    made.mkdir()
    files = corpus.models(made)
    net = torchcaffe.Net(net_param=corpus.small_net(), phase=pb.TEST)

    def load(case):
        rng = np.random.RandomState(case)
        source, fork = files[rng.randint(len(files))]
        path = folder / f"weights{source.suffix}"
        path.write_bytes(mutated_bytes(source.read_bytes(), rng, 3))
        load_model(path, fork, net)

    return load


def limit_memory():
    """From now on this process can have `MEMORY` more bytes of address space."""
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MEMORY, resource.RLIM_INFINITY))


def main(kind, first, last):
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        load = {"text": text_cases, "model": model_cases}[kind](Path(folder))
        limit_memory()
        for case in range(int(first), int(last)):
            print(case, end=" ", flush=True)
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            try:
                load(case)
                outcome = "loaded"
            except InputError as error:
                outcome = f"refused: {error}"
            except Exception:
                outcome = f"fault: {traceback.format_exc()}"
            signal.setitimer(signal.ITIMER_REAL, 0)
            # Names out of broken files may hold whatever ends a line.
            print(outcome.encode("unicode_escape").decode(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
