"""The state of a running preview: samples, datasets, extensions, and possibly a network."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit.datasets import default_palette
from fcnkit.inference import names_for

from .datasets import Dataset, userdata_of
from .samples import NetImage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    import numpy as np
    from numpy.typing import NDArray

    from .extensions import Extensions
    from .samples import Sample, SharedSegmenter
    from .truths import Truths

    class Loadable(Protocol):
        """Something to show: it has a title, perhaps a palette, and loads its sample on demand."""

        @property
        def title(self) -> str: ...
        @property
        def palette(self) -> NDArray[np.uint8] | None: ...
        def load(self) -> Sample: ...


# A page shows at most this many samples: each takes about 300 KB.
MAX_SAMPLES = 50
MAX_DATASETS = 16

NO_NETWORK = "this preview has no network to run on an image: start it with one to test images"


class Preview:
    """What the pages show: `samples`, `extensions` and a `title`.

    `segmenter` is a `SharedSegmenter` or None; with one, images may be uploaded. `datasets` is a
    list of `Dataset`s, the first of them the one that the preview was started with. `truths`
    (`Truths` or None) finds the labels of samples.
    """

    def __init__(
        self,
        title: str,
        samples: Sequence[Loadable],
        extensions: Extensions,
        dataset: Dataset,
        segmenter: SharedSegmenter | None = None,
        truths: Truths | None = None,
    ) -> None:
        self.title, self.samples, self.extensions = title, samples, extensions
        self.segmenter, self.datasets, self._truths = segmenter, [dataset], truths
        self._lock = threading.Lock()

    def load(self, chosen: Loadable) -> Sample:
        """Return the sample of `chosen`, with its label if there is one."""
        sample = chosen.load()
        if self._truths is None:
            return sample
        return sample._replace(label=self._truths.find(chosen.title, sample.image))

    def uploaded(self, name: str, content: bytes) -> NetImage:
        """Return an uploaded file as something to show; raises `InputError` without a network."""
        if self.segmenter is None:
            raise InputError(NO_NETWORK)
        return NetImage(self.segmenter, content, name)

    def add_dataset(self, dataset: Dataset) -> int:
        """Keep a dataset that an extension made and return its number.

        Raises `InputError` when the preview holds `MAX_DATASETS` already.
        """
        with self._lock:
            if len(self.datasets) >= MAX_DATASETS:
                raise InputError(
                    f"this preview keeps at most {MAX_DATASETS - 1} new datasets: restart it to "
                    "make more"
                )
            self.datasets.append(dataset)
            return len(self.datasets) - 1


def first_dataset(
    name: str,
    samples: Sequence[Loadable],
    names: Sequence[str] | None = None,
    palette: NDArray[np.uint8] | None = None,
    folder: str | None = None,
) -> Dataset:
    """Return the `Dataset` that a preview starts with.

    Defaults are those of `infer`: VOC's names for 21 classes, and the palette of the mask that lies
    beside the scores, otherwise the default for that number of classes. The first sample is loaded
    for this, so that problems with files or the network are reported at the start.
    """
    shape = None
    for first in samples[:1]:
        loaded = first.load()
        shape = loaded.image.shape
        names = names_for(len(next(iter(loaded.outputs.values()))), names)
        if palette is None:
            palette = first.palette
    if palette is None:
        palette = default_palette(names)
    return Dataset(name, userdata_of(names, palette), folder=folder, shape=shape)
