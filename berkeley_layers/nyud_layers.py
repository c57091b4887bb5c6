"""Berkeley's data layer for NYUDv2: colour, depth, HHA and labels of one image per step.

There are 40 classes. HHA encodes depth as height, disparity and angle (Gupta et al., ECCV 2014).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError
from fcnkit.datasets import SegDataLayer, image_input, minus_mean, nyud_label, read_depth
from fcnkit.images import read_rgb

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Means over the training images; depth in log(mm).
MEAN_BGR = (116.190, 97.203, 92.318)
MEAN_HHA = (132.431, 94.076, 118.477)
MEAN_LOG_DEPTH = 7.844


class NYUDSegDataLayer(SegDataLayer):
    """Tops, as `tops` lists them: color, hha (1 x 3 x H x W), depth, label (1 x 1 x H x W).

    `nyud_dir`: the folder with <split>.txt, data/{images,hha,depth}/img_<id>.png and
    segmentation/img_<id>.mat.
    """

    required = ("nyud_dir", "tops")

    def open(self, options: dict[str, Any]) -> str:
        self.folder: str = options["nyud_dir"]
        self.readers: dict[str, Callable[[str], NDArray[Any]]] = {
            "color": self.color,
            "hha": self.hha,
            "depth": self.depth,
            "label": self.label,
        }
        wrong = [top for top in options["tops"] if top not in self.readers]
        if wrong:
            raise InputError(
                f"{self.title}: tops in param_str includes {wrong[0]!r}: expected some of "
                f"{', '.join(self.readers)}"
            )
        return os.path.join(self.folder, f"{options['split']}.txt")

    def tops(self) -> list[str]:
        return list(self.options["tops"])

    def load(self, id_: str) -> list[NDArray[Any]]:
        return [self.readers[top](id_) for top in self.options["tops"]]

    def color(self, id_: str) -> NDArray[np.float32]:
        """Read the image, BGR minus its mean."""
        return image_input(self._image("images", id_), MEAN_BGR)

    def hha(self, id_: str) -> NDArray[np.float32]:
        """Read HHA minus its mean, with channels as stored."""
        return minus_mean(read_rgb(self._image("hha", id_)), MEAN_HHA)

    def depth(self, id_: str) -> NDArray[np.float32]:
        """Read the logarithm of depth minus its mean; `InputError` if a pixel has no depth."""
        path = self._image("depth", id_)
        depth = read_depth(path)
        if not (depth > 0).all():
            raise InputError(f"{path}: has pixels without depth; expected depth with holes filled")
        return minus_mean(np.log(depth)[:, :, None], MEAN_LOG_DEPTH)

    def label(self, id_: str) -> NDArray[np.uint8]:
        """Read the label: classes 0 to 39, 255 = ignore."""
        return nyud_label(os.path.join(self.folder, "segmentation", f"img_{id_}.mat"))[None]

    def _image(self, kind: str, id_: str) -> str:
        return os.path.join(self.folder, "data", kind, f"img_{id_}.png")
