"""Segments images with an ONNX model instead of a network and its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError
from fcnkit.images import ImageForm, Preprocessor
from fcnkit.runtimes import OnnxSession

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray


class OnnxSegmenter:
    """An ONNX model that turns images into class scores or class maps, as a `Segmenter` does.

    Where the model itself takes images, `preprocessor` is not used. `output_blob` names the output
    (default: the first). `form` says what images it was made for (default: as many channels as the
    model says, of 8 bits).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        preprocessor: Preprocessor | None = None,
        output_blob: str | None = None,
        form: ImageForm | None = None,
    ) -> None:
        self._session = OnnxSession(path)
        given = form or ImageForm()
        depth = given.depth or self._session.image_depth or "uint8"
        self.form = ImageForm(given.channels or self._session.channels or 3, depth, given.white)
        self.preprocessor = preprocessor or Preprocessor()
        self.output_blob = output_blob
        self.unmatched: list[str] = []  # as of a `Segmenter`: a model has all its weights
        self.note: str | None = None

    def read(self, source: str | os.PathLike[str] | bytes, name: str | None = None) -> NDArray[Any]:
        """Read an image file as the model takes it: H x W x channels."""
        return self.form.read(source, name)

    def segment(
        self, image: NDArray[Any], name: str = "image"
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.uint8]]:
        """(scores, class map) of `image` (H x W x channels): C x H x W float32, H x W uint8.

        Scores are None where the model returns only class maps. Raises `InputError` for outputs
        that are not of the image's size.
        """
        image = self.form.fit(image, name)
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
