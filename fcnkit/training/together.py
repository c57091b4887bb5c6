"""Training in several processes: one prepares and writes, all read, compute and test.

On one machine `train_together` starts the processes; across machines torchrun does. The root (rank
0) makes the run's solver and nets, loads the weights and hands all to the others, so that only it
needs more than the dataset. What the others would write or show goes nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffeformat import InputError, pb
from fcnkit import engine, nets
from fcnkit.datasets import is_berkeley, is_segmentation_data

from .augmented import batch_size
from .observing import Observer
from .run_files import RunFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from fcnkit.inference import ConfusionMatrix
    from fcnkit.progress import Step

    from .log import Outputs
    from .running import Outcome

# How often the processes of a run are started again because one of them has ended.
RESTARTS = 10

# Fields of a solver that are for its test nets.
_OF_TESTS = ("test_iter", "test_interval")

# Caffe's layers that deal out what they read.
_READERS = ("Data", "HDF5Data", "ImageData", "WindowData", "DenseImageData", "ImageSegData")


def train_together(
    arguments: Sequence[object],
    devices: engine.Devices,
    observer: Observer,
    stop: Callable[[], bool],
) -> Outcome:
    """Train in one process per device of this machine; `arguments` are those of `train`, in order.

    Where a process ends, all are started again from the newest whole snapshot.
    """

    def heard(message: tuple[str, tuple[Any, ...]]) -> None:
        getattr(observer, message[0])(*message[1])

    outcome: Outcome = engine.run_together(
        _train_rank,
        devices.count,
        [observer.replaces, *arguments],
        stop=stop,
        heard=heard,
        restarts=RESTARTS,
    )
    return outcome


def _train_rank(line: Any, replaces: bool, *arguments: Any) -> Outcome:
    """`train` in one of the processes."""
    from .recipe import train

    recipe, output, start, devices, allow_python, force = arguments
    has_asked = False

    def stop() -> bool:
        nonlocal has_asked
        has_asked = has_asked or line.requested() == "stop"
        return has_asked

    return train(
        recipe,
        output,
        start,
        gpu=devices,
        allow_python=allow_python,
        force=force,
        observer=_Telling(line, replaces),
        stop=stop,
    )


class _Telling(Observer):
    """Passes on to another process what it is told."""

    def __init__(self, line: Any, replaces: bool) -> None:
        self._line, self.replaces = line, replaces

    def note(self, text: str) -> None:
        self._line.tell(("note", (text,)))

    def show(self, step: Step) -> None:
        done, total, what, figures = step
        self._line.tell(("step", (done, total, what, dict(figures))))

    def done(self, text: str = "") -> None:
        self._line.tell(("done", (text,)))

    def begun(self) -> None:
        self._line.tell(("begun", ()))

    def test(self, iteration: int, outputs: Outputs, matrix: ConfusionMatrix | None) -> None:
        self._line.tell(("test", (iteration, outputs, matrix)))


class Prepared(NamedTuple):
    """What the root hands to the others: the run's files, and the snapshot that it restored."""

    solver: bytes
    train: bytes
    tests: Sequence[bytes]
    iteration: int | None

    @classmethod
    def of(cls, files: RunFiles, iteration: int | None) -> Prepared:
        """Pack the `files` of a run that continues after `iteration` (None: that begins)."""
        solver, train, *tests = (
            message.SerializeToString() for message in (files.solver, files.train, *files.tests)
        )
        return cls(solver, train, tests, iteration)

    def files(self) -> RunFiles:
        """Return the `RunFiles` of a process that opens nets and solver, and writes nothing."""
        files = RunFiles.__new__(RunFiles)
        files.path, files.notes = "", []
        files.solver = pb.SolverParameter.FromString(self.solver)
        files.train = pb.NetParameter.FromString(self.train)
        files.tests = [pb.NetParameter.FromString(text) for text in self.tests]
        return files

    def quiet_solver(self, files: RunFiles) -> pb.SolverParameter:
        """Return `files.stepwise()` with the nets inside: the root's files may not be here."""
        quiet = files.stepwise()
        nets_of = ("net", "net_param", "train_net", "test_net", "test_net_param", "weights")
        # The nets have the layers of their states alone; a run without tests has nothing to repeat.
        states = ("train_state", "test_state", *(() if files.tests else _OF_TESTS))
        for field in nets_of + states:
            quiet.ClearField(field)
        quiet.train_net_param.CopyFrom(files.train)
        quiet.test_net_param.extend(files.tests)
        return quiet


class SilentLog:
    """In place of the log of a run that another process writes."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *values: None


class NoKeeper:
    """In place of what keeps the snapshots that another process writes."""

    best = None

    def test(self, iteration: int, mean_iou: float, net: engine.Net) -> bool:
        """Return False."""
        return False

    def is_exhausted(self, iteration: int) -> bool:
        """Return False; the root knows."""
        return False

    def tests_since_best(self, iteration: int) -> int:
        """Return 0; the root knows."""
        return 0


def check_share(files: RunFiles, images: int | None, count: int) -> None:
    """Raise `InputError` where `count` processes cannot share the training data of `files`.

    `images` is how many there are, None where that is not known.
    """
    if images is not None and images < count:
        raise InputError(
            f"the training data has {images} images, too few for {count} processes, which read one "
            "each: choose fewer"
        )
    batch = batch_size(files.train)
    if count > 1:
        whole = "" if batch is None else f", {batch * count} images per pass"
        files.notes.append(f"{count} processes, each with batches of the net's size{whole}")


def can_share_tests(tests: Sequence[pb.NetParameter]) -> bool:
    """Whether all data layers of the test nets deal out their batches among processes."""
    layers = [layer for net in tests for layer in nets.data_layers(net)]
    ours = [is_segmentation_data(layer) or is_berkeley(layer) for layer in layers]
    return all(own or layer.type in _READERS for own, layer in zip(ours, layers))


def own_passes(first: int, count: int, together: engine.Together) -> Sequence[int]:
    """Which of the `count` passes from number `first` on, of all tests, this process makes."""
    return [n for n in range(first, first + count) if n % together.count == together.rank]


def add_outputs(
    sums: Mapping[str, NDArray[np.float64]], together: engine.Together
) -> dict[str, NDArray[np.float64]]:
    """Add the arrays of all processes, which have the same names and sizes."""
    every = [np.zeros(0), *(np.ravel(values) for values in sums.values())]
    flat = together.total(np.concatenate(every))
    ends = np.cumsum([values.size for values in sums.values()])
    return dict(zip(sums, np.split(flat, ends[:-1])))
