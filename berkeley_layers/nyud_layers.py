"""NYUDv2's colour, depth, HHA and 40 classes for a net, one image a step: Berkeley's data layer.

HHA is the encoding of depth as height, disparity and angle by Gupta et al. (ECCV 2014).
"""

import os

import numpy as np

from caffeformat import InputError
from fcnkit.datasets import SegDataLayer, image_input, minus_mean, nyud_label, read_depth
from fcnkit.images import read_rgb

# Means over the training images; depth in log(mm).
MEAN_BGR = (116.190, 97.203, 92.318)
MEAN_HHA = (132.431, 94.076, 118.477)
MEAN_LOG_DEPTH = 7.844


class NYUDSegDataLayer(SegDataLayer):
    """Tops as `tops` lists them: color, hha (1 x 3 x H x W), depth, label (1 x 1 x H x W).

    `nyud_dir`: the folder with <split>.txt, data/{images,hha,depth}/img_<id>.png and
    segmentation/img_<id>.mat.
    """

    required = ("nyud_dir", "tops")

    def open(self, options):
        self.folder = options["nyud_dir"]
        self.readers = {
            "color": self.color,
            "hha": self.hha,
            "depth": self.depth,
            "label": self.label,
        }
        wrong = [top for top in options["tops"] if top not in self.readers]
        if wrong:
            raise InputError(
                f"{self.title}: tops in param_str has {wrong[0]!r}: expected some of "
                f"{', '.join(self.readers)}"
            )
        return os.path.join(self.folder, f"{options['split']}.txt")

    def tops(self):
        return list(self.options["tops"])

    def load(self, id_):
        return [self.readers[top](id_) for top in self.options["tops"]]

    def color(self, id_):
        """BGR less its mean."""
        return image_input(self._image("images", id_), MEAN_BGR)

    def hha(self, id_):
        """HHA less its mean, channels as stored."""
        return minus_mean(read_rgb(self._image("hha", id_)), MEAN_HHA)

    def depth(self, id_):
        """Logarithm of depth less its mean; `InputError` where a pixel has no depth."""
        path = self._image("depth", id_)
        depth = read_depth(path)
        if not (depth > 0).all():
            raise InputError(f"{path}: pixels without depth: expected depth with its holes filled")
        return minus_mean(np.log(depth)[:, :, None], MEAN_LOG_DEPTH)

    def label(self, id_):
        """Classes 0 to 39, 255 = ignore."""
        return nyud_label(os.path.join(self.folder, "segmentation", f"img_{id_}.mat"))[None]

    def _image(self, kind, id_):
        return os.path.join(self.folder, "data", kind, f"img_{id_}.png")
