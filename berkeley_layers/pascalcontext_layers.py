"""Berkeley's data layer for PASCAL-Context: one image with labels of 59 classes per step.

The classes are those of Mottaghi et al. (CVPR 2014), 1 to 59; everything else is 0.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fcnkit.datasets import IMAGENET_MEAN, SegDataLayer, context_label, context_table, image_input

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PASCALContextSegDataLayer(SegDataLayer):
    """Tops: data (1 x 3 x H x W, BGR minus `mean`) and label (1 x 1 x H x W).

    `voc_dir`: a folder that contains VOC2010; `context_dir`: the annotations, with labels.txt,
    59_labels.txt and trainval/<id>.mat; `split`: a set of VOC2010/ImageSets/Main.
    """

    required = ("voc_dir", "context_dir")
    optional = {"mean": IMAGENET_MEAN}

    def open(self, options: dict[str, Any]) -> str:
        self.voc = os.path.join(options["voc_dir"], "VOC2010")
        self.context: str = options["context_dir"]
        self.table, _ = context_table(
            os.path.join(self.context, "labels.txt"), os.path.join(self.context, "59_labels.txt")
        )
        return os.path.join(self.voc, "ImageSets", "Main", f"{options['split']}.txt")

    def tops(self) -> list[str]:
        return ["data", "label"]

    def load(self, id_: str) -> list[NDArray[Any]]:
        image = os.path.join(self.voc, "JPEGImages", f"{id_}.jpg")
        label = os.path.join(self.context, "trainval", f"{id_}.mat")
        return [
            image_input(image, self.options["mean"]),
            context_label(label, self.table)[None],
        ]
