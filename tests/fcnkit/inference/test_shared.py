"""Predictions of several processes: in the dataset's order, with what the processes noted."""

import contextlib
import dataclasses

from fcnkit.engine import Devices
from fcnkit.inference import shared


@dataclasses.dataclass
class Trained:
    owner: object = None

    def segmenter(self, gpu, batch):
        return type("Segmenter", (), {"notes": [f"one image at a time, not {batch}"]})


def test_samples_keep_their_order_and_notes_come_once(monkeypatch):
    def run_together(predict, count, arguments, stop, heard, restarts):
        for rank in reversed(range(count)):  # the last process is the quickest
            line = type("Line", (), {"rank": rank, "tell": staticmethod(heard)})
            predict(line, *arguments)

    def predictions(segmenter, dataset, mine):
        yield from (f"sample {i}" for i in mine)

    monkeypatch.setattr(shared.engine, "run_together", run_together)
    monkeypatch.setattr(shared, "predictions_and_labels", predictions)
    notes = []
    samples = shared.shared_predictions(
        Trained(),
        {"batch": 4},
        lambda: contextlib.nullcontext(range(7)),
        Devices(processes=3),
        notes.append,
    )
    assert list(samples) == [f"sample {i}" for i in range(7)]
    assert notes == ["one image at a time, not 4"]
