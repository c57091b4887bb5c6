"""Berkeley's data layers for PASCAL VOC and SBD: one image with its label per step.

    layer {
      name: "data" type: "Python" top: "data" top: "label"
      python_param {
        module: "voc_layers" layer: "SBDDSegDataLayer"
        param_str: "{'sbdd_dir': '../data/sbdd/dataset', 'split': 'train', 'seed': 1337,
                     'mean': (104.00699, 116.66877, 122.67892)}"
      }
    }

Tops: data (1 x 3 x H x W, BGR minus `mean`) and label (1 x 1 x H x W, 255 = ignore).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fcnkit.datasets import IMAGENET_MEAN, SegDataLayer, image_input, sbd_label
from fcnkit.images import read_label

if TYPE_CHECKING:
    from numpy.typing import NDArray


class _LabelledImages(SegDataLayer):
    """What both layers have in common."""

    optional = {"mean": IMAGENET_MEAN}

    def tops(self) -> list[str]:
        return ["data", "label"]


class VOCSegDataLayer(_LabelledImages):
    """Reads PASCAL VOC.

    `voc_dir`: a folder such as VOCdevkit/VOC2011, with ImageSets/Segmentation/<split>.txt.
    """

    required = ("voc_dir",)

    def open(self, options: dict[str, Any]) -> str:
        self.folder: str = options["voc_dir"]
        return os.path.join(self.folder, "ImageSets", "Segmentation", f"{options['split']}.txt")

    def load(self, id_: str) -> list[NDArray[Any]]:
        image = os.path.join(self.folder, "JPEGImages", f"{id_}.jpg")
        label = os.path.join(self.folder, "SegmentationClass", f"{id_}.png")
        return [image_input(image, self.options["mean"]), read_label(label)[None]]


class SBDDSegDataLayer(_LabelledImages):
    """Reads SBD; `sbdd_dir`: its folder `dataset`, with <split>.txt, img and cls."""

    required = ("sbdd_dir",)

    def open(self, options: dict[str, Any]) -> str:
        self.folder: str = options["sbdd_dir"]
        return os.path.join(self.folder, f"{options['split']}.txt")

    def load(self, id_: str) -> list[NDArray[Any]]:
        image = os.path.join(self.folder, "img", f"{id_}.jpg")
        label = os.path.join(self.folder, "cls", f"{id_}.mat")
        return [image_input(image, self.options["mean"]), sbd_label(label)[None]]
