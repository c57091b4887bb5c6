"""SIFT Flow's images with semantic and geometric classes, one a step: Berkeley's data layer."""

import os

from fcnkit.datasets import SegDataLayer, image_input, siftflow_label

# Mean over the training images, BGR.
MEAN_BGR = (114.578, 115.294, 108.353)

_SCENES = "spatial_envelope_256x256_static_8outdoorcategories"


class SIFTFlowSegDataLayer(SegDataLayer):
    """Tops: data (1 x 3 x H x W, BGR less its mean), sem and geo (1 x 1 x H x W, 255 = ignore).

    `siftflow_dir`: the folder with <split>.txt, Images, SemanticLabels and GeoLabels.
    """

    required = ("siftflow_dir",)

    def open(self, options):
        self.folder = options["siftflow_dir"]
        return os.path.join(self.folder, f"{options['split']}.txt")

    def tops(self):
        return ["data", "sem", "geo"]

    def load(self, id_):
        return [
            image_input(self._file("Images", id_, "jpg"), MEAN_BGR),
            siftflow_label(self._file("SemanticLabels", id_, "mat"))[None],
            siftflow_label(self._file("GeoLabels", id_, "mat"), classes=3)[None],
        ]

    def _file(self, kind, id_, suffix):
        return os.path.join(self.folder, kind, _SCENES, f"{id_}.{suffix}")
