"""What a running preview holds: samples, datasets, extensions, and perhaps a network."""

import threading

from caffeformat import InputError
from fcnkit.datasets import default_palette
from fcnkit.scoring import names_for

from .datasets import Dataset, userdata_of
from .samples import NetImage

# A page shows at most so many samples: each weighs some 300 KB.
MAX_SAMPLES = 50
MAX_DATASETS = 16


class Preview:
    """`samples` (list of things with `title`, `palette` and `load()`), `extensions`, `title`.

    `segmenter` is a `SharedSegmenter` or None; with one, images may be uploaded. `datasets` is a
    list of `Dataset`s, the first of them the one that the preview was started with. `truths`
    (`Truths` or None) finds the labels of samples.
    """

    def __init__(self, title, samples, extensions, dataset, segmenter=None, truths=None):
        self.title, self.samples, self.extensions = title, samples, extensions
        self.segmenter, self.datasets, self._truths = segmenter, [dataset], truths
        self._lock = threading.Lock()

    def load(self, chosen):
        """The `Sample` of something with `title` and `load()`, with its label if there is one."""
        sample = chosen.load()
        if self._truths is None:
            return sample
        return sample._replace(label=self._truths.find(chosen.title, sample.image))

    def uploaded(self, name, content):
        """A sample of an uploaded file (`content` bytes); `InputError` without a network."""
        if self.segmenter is None:
            raise InputError(
                "this preview has no network to run on an image: start it with --net and "
                "--weights, --run or --digits-model"
            )
        return NetImage(self.segmenter, content, name)

    def add_dataset(self, dataset):
        """Keep a dataset that an extension made; returns its number. Old ones are forgotten."""
        with self._lock:
            if len(self.datasets) >= MAX_DATASETS:
                raise InputError(
                    f"this preview keeps {MAX_DATASETS - 1} new datasets at most: start it again"
                )
            self.datasets.append(dataset)
            return len(self.datasets) - 1


def first_dataset(name, samples, names=None, palette=None, folder=None):
    """The `Dataset` that a preview starts with.

    What is not given is what `infer` would take: VOC's names for 21 classes, and the palette of the
    mask that lies beside the scores, else the one for so many classes. The first sample is loaded
    for it, so that what is wrong with files or network is said at the start.
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
