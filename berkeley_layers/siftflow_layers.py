"""Berkeley's data layer for SIFT Flow: one image with semantic and geometric labels per step."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fcnkit.datasets import SegDataLayer, image_input, siftflow_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Mean over the training images, BGR.
MEAN_BGR = (114.578, 115.294, 108.353)

_SCENES = "spatial_envelope_256x256_static_8outdoorcategories"


class SIFTFlowSegDataLayer(SegDataLayer):
    """Tops: data (1 x 3 x H x W, BGR minus its mean), sem and geo (1 x 1 x H x W, 255 = ignore).

    `siftflow_dir`: the folder with <split>.txt, Images, SemanticLabels and GeoLabels.
    """

    required = ("siftflow_dir",)

    def open(self, options: dict[str, Any]) -> str:
        self.folder: str = options["siftflow_dir"]
        return os.path.join(self.folder, f"{options['split']}.txt")

    def tops(self) -> list[str]:
        return ["data", "sem", "geo"]

    def load(self, id_: str) -> list[NDArray[Any]]:
        return [
            image_input(self._file("Images", id_, "jpg"), MEAN_BGR),
            siftflow_label(self._file("SemanticLabels", id_, "mat"))[None],
            siftflow_label(self._file("GeoLabels", id_, "mat"), classes=3)[None],
        ]

    def _file(self, kind: str, id_: str, suffix: str) -> str:
        return os.path.join(self.folder, kind, _SCENES, f"{id_}.{suffix}")
