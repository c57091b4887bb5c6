"""A training log that also writes TensorBoard's event files.

Scalars are those of the log. At each test come histograms of the weights and, of the same few
validation images, the image, its label and the mask beside each other.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError
from fcnkit.engine import layer_params
from fcnkit.files import read_json_object
from fcnkit.images import full_palette, voc_palette

from .log import TrainingLog, scores_of
from .run_folder import EVENTS
from .run_folder import FILE_NAME as SETTINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fcnkit.engine import Net
    from fcnkit.inference import ConfusionMatrix
    from fcnkit.nets import Head

    from .log import Display, Outputs
    from .run_files import RunFiles

_BINS = 30
_SECONDS_BETWEEN_WRITES = 20
_LONGEST_SIDE = 512  # of a picture; larger ones are thinned out


class EventLog(TrainingLog):
    """A `TrainingLog` whose numbers also go to event files in the folder `events`.

    `start` is the iteration that the run continues from: TensorBoard then forgets what an earlier
    process logged from there on. `mean` (blue, green, red, or None) and `scale` are those of the
    net's input, `palette` (256 x 3 RGB uint8) has the colours of its masks.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        events: str,
        start: int,
        palette: NDArray[np.uint8],
        mean: Sequence[float] | None = None,
        scale: float = 1.0,
    ) -> None:
        writer, protos = _tensorboard()
        super().__init__(path)
        self._protos = protos
        self._writer = writer(events, flush_secs=_SECONDS_BETWEEN_WRITES)
        self._palette, self._mean, self._scale = palette, mean, scale
        log = protos.event_pb2.SessionLog(status=protos.event_pb2.SessionLog.START)
        self._writer.add_event(protos.event_pb2.Event(step=start, session_log=log))

    def close(self) -> None:
        """Close the files."""
        self._writer.close()
        super().close()

    def train(self, display: Display) -> None:
        """Log the display of one iteration."""
        super().train(display)
        iteration, loss, seconds, steps, outputs, rate = display
        numbers = {"loss/smoothed": loss, "learning_rate": rate, **_named("train", outputs)}
        if seconds > 0:
            numbers["steps_per_second"] = steps / seconds
        self._scalars(iteration, numbers)

    def test(self, iteration: int, net: int, outputs: Outputs) -> None:
        """Log the mean outputs of test net number `net`."""
        super().test(iteration, net, outputs)
        self._scalars(iteration, _named(f"test_{net}" if net else "test", outputs))

    def scores(self, iteration: int, phase: str, matrix: ConfusionMatrix) -> None:
        """Log the scores of `scores_of`."""
        super().scores(iteration, phase, matrix)
        found = scores_of(matrix, phase)
        self._scalars(iteration, {f"{name}/{phase}": value for name, value in found.items()})

    def sample(self, iteration: int, number: int, net: Net, head: Head) -> None:
        """Log image, label and mask of the last pass of a test net, its pass `number`."""
        blob = next(iter(net.blobs)) if "data" not in net.blobs else "data"
        image = _picture(net.blobs[blob].data[0], self._mean, self._scale)
        mask = net.blobs[head.score].data[0].argmax(0)
        label = np.asarray(net.blobs[head.label].data[0]).reshape(-1, *mask.shape)[0]
        if image.shape[:2] != mask.shape:
            return
        colours = [self._palette[values.astype(np.uint8)] for values in (label, mask)]
        self._image(iteration, f"masks/{number:02d}", np.hstack([image, *colours]))

    def weights(self, iteration: int, net: Net) -> None:
        """Log histograms of the weights of each layer of `net`."""
        values = []
        for layer, blobs in layer_params(net).items():
            for index, blob in enumerate(blobs):
                histogram = self._histogram(np.asarray(blob.data))
                if histogram is not None:
                    values.append(self._value(tag=f"{layer}/{index}", histo=histogram))
        self._add(iteration, values)

    def _histogram(self, array: NDArray[Any]) -> Any:
        """A histogram of an array; None where there is nothing that could be counted."""
        flat = array.ravel().astype(np.float64)
        flat = flat[np.isfinite(flat)]
        if not flat.size:
            return None
        counts, edges = np.histogram(flat, _BINS)
        return self._protos.summary_pb2.HistogramProto(
            min=flat.min(),
            max=flat.max(),
            num=flat.size,
            sum=flat.sum(),
            sum_squares=float(flat @ flat),
            bucket_limit=edges[1:].tolist(),
            bucket=counts.astype(float).tolist(),
        )

    def _image(self, iteration: int, tag: str, pixels: NDArray[np.uint8]) -> None:
        import io

        from PIL import Image

        step = -(-max(pixels.shape[0], pixels.shape[1] // 3) // _LONGEST_SIDE)
        pixels = pixels[::step, ::step]
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
        image = self._protos.summary_pb2.Summary.Image(
            height=pixels.shape[0],
            width=pixels.shape[1],
            colorspace=3,
            encoded_image_string=file.getvalue(),
        )
        self._add(iteration, [self._value(tag=tag, image=image)])

    def _scalars(self, iteration: int, numbers: dict[str, float]) -> None:
        self._add(
            iteration,
            [self._value(tag=tag, simple_value=value) for tag, value in numbers.items()],
        )

    def _value(self, **fields: Any) -> Any:
        return self._protos.summary_pb2.Summary.Value(**fields)

    def _add(self, iteration: int, values: list[Any]) -> None:
        import time

        summary = self._protos.summary_pb2.Summary(value=values)
        self._writer.add_event(
            self._protos.event_pb2.Event(wall_time=time.time(), step=iteration, summary=summary)
        )


def open_log(
    output: str, files: RunFiles, iteration: int = 0, tensorboard: bool = False
) -> TrainingLog:
    """Open the log of the run in the folder `output`, with event files where they are wanted.

    `iteration` is where the run goes on. The colours of masks are those that the run recorded.
    """
    path = os.path.join(output, "train.log")
    if not tensorboard:
        return TrainingLog(path)
    colours = read_json_object(os.path.join(output, SETTINGS)).get("palette")
    palette = voc_palette() if colours is None else full_palette(colours)
    mean, scale = files.input_settings()
    return EventLog(path, os.path.join(output, EVENTS), iteration, palette, mean, scale)


def check_tensorboard() -> None:
    """Raise `InputError` where the package for event files is not installed."""
    _tensorboard()


def _tensorboard() -> tuple[Any, Any]:
    """TensorBoard's writer of event files, and the package of its messages."""
    try:
        from tensorboard.compat import proto
        from tensorboard.compat.proto import event_pb2, summary_pb2  # noqa: F401
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise InputError(
            "{option} needs the package tensorboard: install it, for instance by "
            "pip install 'fcnkit[tensorboard]'",
            option="tensorboard",
            value=True,
        ) from error
    return EventFileWriter, proto


def _named(phase: str, outputs: Outputs) -> dict[str, float]:
    """Tag -> value of a net's outputs: `loss/train`, or numbered where there are several values."""
    return {
        f"{name}/{phase}" + (f"_{index}" if len(values) > 1 else ""): value
        for name, values, _ in outputs
        for index, value in enumerate(values)
    }


def _picture(
    blob: NDArray[np.float32], mean: Sequence[float] | None, scale: float
) -> NDArray[np.uint8]:
    """The image that a net's input, C x H x W, shows: H x W x 3 uint8 RGB, of three channels."""
    values = blob / scale
    if mean is not None and len(mean) in (1, len(values)):
        values = values + np.asarray(mean, np.float32).reshape(-1, 1, 1)
    values = values[:3][::-1] if len(values) >= 3 else np.repeat(values[:1], 3, axis=0)
    low, high = float(values.min()), float(values.max())
    if low < -1 or high > 256:  # of another depth, or without a mean that is known
        values = (values - low) * (255 / max(high - low, 1e-6))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8).transpose(1, 2, 0)
