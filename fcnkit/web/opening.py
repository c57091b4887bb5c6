"""A preview put together from what a person has: scores or images, a network, a dataset."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit.datasets import DatasetFolder, locate
from fcnkit.inference import find_images

from . import digits_stand_in, samples
from .extensions import Extensions
from .preview import Preview, first_dataset
from .server import make_server
from .truths import Truths

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import werkzeug.serving
    from numpy.typing import NDArray

    from fcnkit.inference import Segmenter

    from .preview import Loadable


def open_server(
    title: str,
    inputs: Sequence[str],
    segmenter: Segmenter | None = None,
    names: Sequence[str] | None = None,
    palette: NDArray[np.uint8] | None = None,
    data: str | None = None,
    host: str = "127.0.0.1",
    port: int = 5080,
    bands: Sequence[int] | None = None,
) -> werkzeug.serving.BaseWSGIServer:
    """Return the server of a preview, bound to `host` and `port` (0: any) but not serving yet.

    inputs      saved scores or folders of them; with a segmenter, images or folders of images too
    segmenter   a network to run on images and uploads
    names       class names (default: those of `data`, otherwise VOC's for 21 classes)
    palette     256 x 3 uint8 (default: that of `data`, otherwise that of the masks)
    data        dataset folder, for the ground truth of its validation images, too
    bands       channels to show as red, green and blue (default: those of `data`, otherwise the
                first three)

    Raises `InputError` for inputs that cannot be shown and where the server cannot be bound.
    """
    digits_stand_in.install()
    truths = None
    if data:
        folder = DatasetFolder(data)
        dataset = folder.split("val" if locate(data, "val") else "train")
        bands = folder.bands if bands is None else bands
        names = dataset.classes if names is None else names
        palette = dataset.palette if palette is None else palette
        truths = Truths(dataset, bands, segmenter.form if segmenter else None)
    shared = samples.SharedSegmenter(segmenter, bands) if segmenter else None
    found = _samples(inputs, shared, bands)
    shown = first_dataset(title, found, names, palette, data)
    return make_server(Preview(title, found, Extensions(), shown, shared, truths), host, port)


def _samples(
    inputs: Sequence[str],
    segmenter: samples.SharedSegmenter | None,
    bands: Sequence[int] | None,
) -> list[Loadable]:
    if segmenter is None:
        if not inputs:
            raise InputError("nothing to show: pass scores that `infer` saved, or a network")
        return list(samples.find_score_files(inputs, bands))
    scores = [path for path in inputs if path.endswith(samples.SCORES_SUFFIX)]
    images = find_images([path for path in inputs if path not in scores])
    found: list[Loadable] = list(samples.find_score_files(scores, bands))
    return found + [
        samples.NetImage(segmenter, path, samples.readable(os.path.basename(path)))
        for path in images.values()
    ]
