"""Loads changed files, case after case, in a process that may die of them.

    python worker.py KIND FIRST LAST

KIND is `text` (nets), `model` (weights), the name of an entry of `readers.READERS`, or `all` of
those in turn, of which each reads its sample unchanged first; a case is a number, which decides
file and changes. One line per case says what came of it: `<case> loaded`, `<case> refused: <our
error>`, or `<case> fault: <traceback in one line>`. A case that takes too long ends the process by
SIGALRM; memory is limited, so that what would fill it fails.
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

UNCHANGED = -1  # the case of a reader that no sample is changed for
SECONDS = 20  # per case
MEMORY = 2 << 30  # bytes beyond what is in use when the first case begins
MOST_FILE = 1 << 30  # bytes that a case may write


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


def reader_cases(name):
    """A function of `folder` like those above, for an entry of `READERS`."""
    from readers import READERS

    if name == "all":
        return lambda folder: every_reader(folder, READERS)
    reader = READERS[name]

    def cases(folder):
        made = reader.samples()
        places = {}
        folder.mkdir(exist_ok=True)

        def load(case):
            if case == UNCHANGED:
                return load_any([place_of(number) for number in range(len(made))])
            rng = np.random.RandomState(case)
            number = rng.randint(len(made))
            sample, path = made[number], place_of(number)
            before = path.stat()
            path.write_bytes(sample.pack(reader.mutate(sample.files[sample.changed], rng)))
            # What remembers files by their times of change must not take this one for another.
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
            os.chdir(folder)
            reader.read(str(path))

        def place_of(number):
            sample = made[number]
            if number not in places:
                places[number] = folder / f"sample{number}"
                for name, content in sample.files.items():
                    path = places[number] / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
            return places[number] / sample.changed

        def load_any(paths):
            """Read each sample until one loads: some entries have samples of other kinds, too."""
            os.chdir(folder)
            errors = []
            for path, sample in zip(paths, made):
                path.write_bytes(sample.pack(sample.files[sample.changed]))
                try:
                    return reader.read(str(path))
                except InputError as error:
                    errors.append(str(error))
            raise InputError("; ".join(errors))

        return load

    return cases


def every_reader(folder, names):
    """The cases of all readers in turn; one whose modules are not installed takes none."""
    loads = []
    for number, name in enumerate(names):
        try:
            loads.append((name, reader_cases(name)(folder / str(number))))
        except ImportError:
            loads.append((name, None))
    for name, cases in (("text", text_cases), ("model", model_cases)):
        (folder / name).mkdir()
        loads.append((name, cases(folder / name)))

    def load(case):
        turn, number = divmod(case, len(loads))
        name, one = loads[number]
        if one is None:
            return
        is_text_or_model = number >= len(names)
        try:
            one(turn if is_text_or_model else turn + UNCHANGED)
        except InputError as error:
            if turn == 0 and not is_text_or_model:
                raise RuntimeError(f"{name}: none of its samples loads") from error
            raise
        except Exception as error:
            raise RuntimeError(f"{name} {turn}") from error

    return load


def limit_memory():
    """From now on this process can have `MEMORY` more bytes of address space."""
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_FILE, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.RLIM_INFINITY))


def main(kind, first, last):
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        made = {"text": text_cases, "model": model_cases}.get(kind) or reader_cases(kind)
        load = made(Path(folder))
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
