"""PASCAL VOC's and SBD's images and labels for a net, one pair a step: Berkeley's data layers.

    layer {
      name: "data" type: "Python" top: "data" top: "label"
      python_param {
        module: "voc_layers" layer: "SBDDSegDataLayer"
        param_str: "{'sbdd_dir': '../data/sbdd/dataset', 'split': 'train', 'seed': 1337,
                     'mean': (104.00699, 116.66877, 122.67892)}"
      }
    }

Tops: data (1 x 3 x H x W, BGR less `mean`) and label (1 x 1 x H x W, 255 = ignore).
"""

import os

from fcnkit.datasets import IMAGENET_MEAN, SegDataLayer, image_input, sbd_label
from fcnkit.images import read_label


class VOCSegDataLayer(SegDataLayer):
    """`voc_dir`: a folder such as VOCdevkit/VOC2011, with ImageSets/Segmentation/<split>.txt."""

    required = ("voc_dir",)
    optional = {"mean": IMAGENET_MEAN}

    def open(self, options):
        self.folder = options["voc_dir"]
        return os.path.join(self.folder, "ImageSets", "Segmentation", f"{options['split']}.txt")

    def tops(self):
        return ["data", "label"]

    def load(self, id_):
        image = os.path.join(self.folder, "JPEGImages", f"{id_}.jpg")
        label = os.path.join(self.folder, "SegmentationClass", f"{id_}.png")
        return [image_input(image, self.options["mean"]), read_label(label)[None]]


class SBDDSegDataLayer(SegDataLayer):
    """`sbdd_dir`: the folder `dataset` of SBD, with <split>.txt, img and cls."""

    required = ("sbdd_dir",)
    optional = {"mean": IMAGENET_MEAN}

    def open(self, options):
        self.folder = options["sbdd_dir"]
        return os.path.join(self.folder, f"{options['split']}.txt")

    def tops(self):
        return ["data", "label"]

    def load(self, id_):
        image = os.path.join(self.folder, "img", f"{id_}.jpg")
        label = os.path.join(self.folder, "cls", f"{id_}.mat")
        return [image_input(image, self.options["mean"]), sbd_label(label)[None]]
