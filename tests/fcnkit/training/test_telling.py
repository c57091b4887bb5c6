"""What the processes of a training run tell each other and share, without processes."""

import types

import numpy as np
import pytest

from caffeformat import InputError, parse_text, pb
from fcnkit import engine
from fcnkit.inference import ConfusionMatrix
from fcnkit.training import Observer, Recipe, Start, recipe, together
from fcnkit.training.together import NoKeeper, SilentLog

DATA = 'layer { name: "d" type: "Data" top: "d" data_param { source: "x" batch_size: 4 } }'
OWN = 'layer { name: "d" type: "Python" top: "d" python_param { module: "m" layer: "Mine" } }'


class Remembering(Observer):
    replaces = True

    def __init__(self):
        self.told = []

    def note(self, text):
        self.told.append(("note", text))

    def show(self, step):
        self.told.append(("step", *step))

    def done(self, text=""):
        self.told.append(("done", text))

    def begun(self):
        self.told.append(("begun",))

    def test(self, iteration, outputs, matrix):
        self.told.append(("test", iteration, outputs, matrix))


class Line:
    """A rank's line: what it tells is heard at once."""

    def __init__(self, heard, requests=()):
        self.tell, self._requests = heard, iter(requests)

    def requested(self):
        return next(self._requests, "none")


def test_an_observer_hears_what_the_processes_tell(monkeypatch):
    matrix = ConfusionMatrix(2)
    reports = [
        ("note", "filling conv1"),
        ("step", 3, 10, "run", {"loss": 0.5}),
        ("begun",),
        ("test", 4, [("loss", [0.25], 1.0)], matrix),
        ("done", "10 iterations"),
    ]
    devices = engine.Devices(processes=2)
    given = []

    def train(*arguments, observer, stop, **more):
        given.append((arguments, more))
        assert observer.replaces  # what the caller's says of an earlier run
        for kind, *values in reports:
            getattr(observer, kind)(*values)
        return [stop(), stop(), stop()]

    def run_together(work, count, arguments, *, stop, heard, restarts):
        assert count == 2 and restarts > 0 and not stop()
        return work(Line(heard, ["none", "stop", "none"]), *arguments)

    monkeypatch.setattr(recipe, "train", train)
    monkeypatch.setattr(together.engine, "run_together", run_together)
    settings = Recipe("solver.prototxt"), "run", Start("w"), devices, ("mine",), True
    observer = Remembering()
    # A request to stop holds, though it is told once.
    found = together.train_together(settings, devices, observer, lambda: False)
    assert found == [False, True, True]
    assert observer.told == reports
    ((arguments, more),) = given
    assert arguments == settings[:3]
    assert more == {"gpu": devices, "allow_python": ("mine",), "force": True}


def test_all_but_the_root_write_nothing_and_keep_nothing():
    log, keeper = SilentLog(), NoKeeper()
    assert log.step(3, 0.5) is None and log.test() is None
    assert not keeper.test(4, 0.9, None) and keeper.best is None
    assert not keeper.is_exhausted(10**9) and keeper.tests_since_best(10) == 0


@pytest.mark.parametrize(
    "text, images, count, words",
    [
        (DATA, 8, 2, "2 processes, each with batches of the net's size, 8 images per pass"),
        (DATA, None, 3, "3 processes, each with batches of the net's size, 12 images per pass"),
        (OWN, 8, 2, "2 processes, each with batches of the net's size"),
        (DATA, 1, 1, None),
    ],
    ids=["two", "unknown", "own layer", "one"],
)
def test_a_run_says_how_many_images_its_processes_read(text, images, count, words):
    files = types.SimpleNamespace(train=parse_text(text, pb.NetParameter), notes=[])
    together.check_share(files, images, count)
    assert files.notes == ([] if words is None else [words])


def test_each_process_needs_an_image_of_its_own():
    files = types.SimpleNamespace(train=parse_text(DATA, pb.NetParameter), notes=[])
    with pytest.raises(InputError, match="3 images, too few for 4 processes, which read one each"):
        together.check_share(files, 3, 4)


def test_tests_are_shared_where_every_layer_deals_out_its_batches():
    ours, own = (parse_text(text, pb.NetParameter) for text in (DATA, OWN))
    assert together.can_share_tests([ours, ours]) and together.can_share_tests([])
    assert not together.can_share_tests([ours, own])


def test_outputs_of_all_processes_are_added_by_name():
    class Two(engine.devices.Alone):
        def total(self, values):
            assert values.ndim == 1
            return values * 2 + np.arange(values.size)

    sums = {"loss": np.array(3.0), "none": np.zeros(0), "each": np.array([[1.0, 2.0]])}
    found = together.add_outputs(sums, Two())
    assert {name: values.tolist() for name, values in found.items()} == {
        "loss": [6.0], "none": [], "each": [3.0, 6.0]
    }  # fmt: skip
    assert together.add_outputs({}, engine.devices.ALONE) == {}
