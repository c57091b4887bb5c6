"""An ONNX model in the place of a network and its weights."""

import numpy as np

from caffeformat import InputError
from fcnkit.preprocessing import Preprocessor

from .onnx_session import OnnxSession


class OnnxSegmenter:
    """An ONNX model that turns images into class scores or class maps, as a `Segmenter` does.

    Where the model takes images (`export --preprocess`), `preprocessor` is not used.
    `output_blob` names the output (the first by default).
    """

    def __init__(self, path, preprocessor=None, output_blob=None):
        self._session = OnnxSession(path)
        self.preprocessor = preprocessor or Preprocessor()
        self.output_blob = output_blob
        self.unmatched = []

    def segment(self, image, name="image"):
        """(scores, class map) of `image` (H x W x 3 uint8 RGB): C x H x W float32, H x W uint8.

        Scores are None where the model gives class maps only. Raises `InputError` for outputs that
        are not of the image's size.
        """
        given = image if self._session.takes_images else self.preprocessor(image)
        made = self._session.run([given], self.output_blob)
        if made.dtype == np.uint8:
            class_map = made.reshape(made.shape[-2:])
            scores = None
        else:
            scores = made[0]
            class_map = scores.argmax(0).astype(np.uint8)
        if class_map.shape != image.shape[:2]:
            raise InputError(
                f"{self._session.path}: for {name}, {image.shape[1]}x{image.shape[0]}, it gives "
                f"{'x'.join(map(str, made.shape))}; expected classes x height x width of the image"
            )
        return scores, class_map
