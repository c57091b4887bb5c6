"""Segments images with an ONNX model instead of a network and its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError
from fcnkit.images import Preprocessor

from .onnx_session import OnnxSession

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray


class OnnxSegmenter:
    """An ONNX model that turns images into class scores or class maps, as a `Segmenter` does.

    Where the model itself takes images, `preprocessor` is not used. `output_blob` names the output
    (default: the first).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        preprocessor: Preprocessor | None = None,
        output_blob: str | None = None,
    ) -> None:
        self._session = OnnxSession(path)
        self.preprocessor = preprocessor or Preprocessor()
        self.output_blob = output_blob
        self.unmatched: list[str] = []  # as of a `Segmenter`: a model has all its weights

    def segment(
        self, image: NDArray[np.uint8], name: str = "image"
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.uint8]]:
        """(scores, class map) of `image` (H x W x 3 uint8 RGB): C x H x W float32, H x W uint8.

        Scores are None where the model returns only class maps. Raises `InputError` for outputs
        that are not of the image's size.
        """
        given = image if self._session.takes_images else self.preprocessor(image)
        made = self._session.run([given], self.output_blob)
        if made.dtype == np.uint8:
            class_map: NDArray[np.uint8] = made.reshape(made.shape[-2:])
            scores = None
        else:
            scores = made[0]
            class_map = scores.argmax(0).astype(np.uint8)
        if class_map.shape != image.shape[:2]:
            raise InputError(
                f"{self._session.path}: for {name}, {image.shape[1]}x{image.shape[0]}, it returns "
                f"{'x'.join(map(str, made.shape))}; expected classes x height x width of the image"
            )
        return scores, class_map
