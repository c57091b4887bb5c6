"""Visualizations and statistics of layers: what a network holds, and what an image makes of it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, NamedTuple

import flask
import numpy as np

from caffeformat import whole_number
from fcnkit import engine

from . import pictures
from .bench import bench
from .job_pages import job_or_404
from .model_jobs import RUN
from .snapshots import snapshot_rows
from .trial_pages import entries_of, entries_to_choose, weights_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .trials import Source

blueprint = flask.Blueprint("layers", __name__, url_prefix="/models")

_TILES = 64  # channels or kernels of a picture
_SIDE = 256  # pixels of a picture
_BINS = 32


class Shown(NamedTuple):
    """One array: a blob that the image made, or a layer's weights."""

    name: str
    shape: str
    mean: float
    deviation: float
    low: float
    high: float
    bars: list[float]  # heights of the histogram, 0 to 1
    picture: str  # data URI; empty where it is no picture


@blueprint.get("/<id_>/layers")
def show(id_: str) -> Any:
    """Show activations of an image of the dataset, and weights, as pictures and numbers."""
    job, _ = job_or_404(id_, "model")
    args = flask.request.args
    split, ids = entries_to_choose(job)
    entry = args.get("entry") or f"{split}:0"
    part, _, number = entry.partition(":")
    (source,) = entries_of(job, part, [whole_number(number) or 0])
    blobs, weights = _look(id_, source, weights_of(job))
    return flask.render_template(
        "layers.html",
        job=job,
        title=source.title,
        blobs=blobs,
        weights=weights,
        entries=[(f"{split}:{number}", name) for number, name in enumerate(ids)],
        entry=entry,
        snapshots=snapshot_rows(id_, job),
        snapshot=args.get("snapshot_epoch", ""),
    )


def _look(id_: str, source: Source, weights: str | None) -> tuple[list[Shown], list[Shown]]:
    network = bench().networks.get(bench().jobs.path(id_, RUN), weights)
    image, _ = source.load_for(network)
    with network.turn:
        net = network.segmenter.engine_net(image, source.title)
        net.forward()
        blobs = [
            _shown(name, _first(np.array(blob.data)))
            for name, blob in net.blobs.items()
            if "_split_" not in name  # copies that Caffe makes for several readers
        ]
        params = [
            _shown(f"{name} {('weights', 'bias')[number] if number < 2 else number}",
                   np.array(blob.data))
            for name, each in engine.layer_params(net).items()
            for number, blob in enumerate(each)
        ]  # fmt: skip
    return blobs, params


def _first(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the first image of a batch made; a single number is of the batch."""
    return array[0] if array.ndim else array


def _shown(name: str, array: NDArray[np.float32]) -> Shown:
    # Wide, so that neither huge values overflow nor those next to each other lie in one bin.
    finite = array[np.isfinite(array)].astype(np.float64)
    if not finite.size:
        finite = np.zeros(1)
    counts, edges = np.histogram(finite, _BINS)
    # Roots, so that the few values of a bin next to millions can be seen.
    heights = np.sqrt(counts / max(1, counts.max()))
    return Shown(
        str(name),
        " x ".join(map(str, array.shape)) or "1",
        float(finite.mean()),
        float(finite.std()),
        float(edges[0]),
        float(edges[-1]),
        [round(float(height), 3) for height in heights],
        _picture(array),
    )


def _picture(array: NDArray[np.float32]) -> str:
    """Return the channels of a blob, or the kernels of a layer, side by side as a data URI."""
    if array.ndim == 4:
        array = array.reshape(-1, *array.shape[2:]) if array.shape[1] == 1 else array.mean(1)
    if array.ndim != 3 or min(array.shape[1:]) < 2:
        return ""
    array = np.nan_to_num(array[:_TILES].astype(np.float32)).astype(np.float64)
    count, height, width = array.shape
    step = max(1, max(height, width) * int(np.ceil(np.sqrt(count))) // 1024)
    array = array[:, ::step, ::step]
    height, width = array.shape[1:]
    low, high = float(array.min()), float(array.max())
    scaled = ((array - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    sheet = np.zeros((rows * (height + 1) - 1, columns * (width + 1) - 1), np.uint8)
    for number, tile in enumerate(scaled):
        top, left = number // columns * (height + 1), number % columns * (width + 1)
        sheet[top : top + height, left : left + width] = tile
    return "data:image/png;base64," + base64.b64encode(pictures.png(sheet)).decode()
