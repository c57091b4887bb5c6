"""pycaffe's `Detector`: class scores of image windows (R-CNN: Girshick et al. 2014)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from caffeformat import InputError
from torchcaffe import io
from torchcaffe.classifier import ImageInputNet

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Window = Sequence[float] | NDArray[Any]  # ymin, xmin, ymax, xmax in pixels


class Detector(ImageInputNet):
    """A Net in the TEST phase that scores windows of images.

    `context_pad` is the number of pixels at each side of the net's input that show the
    surroundings of a window; `mean`, `input_scale`, `raw_scale` and `channel_swap` are those of
    `io.Transformer`.
    """

    def __init__(
        self,
        model_file: str | os.PathLike[str],
        pretrained_file: str | os.PathLike[str] | None,
        mean: ArrayLike | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ) -> None:
        settings = {"mean": mean, "input_scale": input_scale, "raw_scale": raw_scale}
        super().__init__(model_file, pretrained_file, **settings, channel_swap=channel_swap)
        self.configure_crop(context_pad)

    def detect_windows(
        self, images_windows: Iterable[tuple[str, Iterable[Window]]]
    ) -> list[dict[str, Any]]:
        """Score windows: `images_windows` holds pairs of an image file and its windows.

        A window is (ymin, xmin, ymax, xmax) in pixels. Returns a list of dicts with `filename`,
        `window` and `prediction` (the net's first output for it), in the order given.
        """
        found: list[dict[str, Any]] = []
        crops = []
        for filename, windows in images_windows:
            image = io.load_image(filename)
            for window in windows:
                found.append({"window": window, "filename": filename})
                crops.append(self._prepared(filename, image, window))
        if not crops:
            return []
        for detection, prediction in zip(found, self.scores(crops)):
            detection["prediction"] = prediction
        return found

    def _prepared(
        self, filename: str, image: NDArray[np.float32], window: Window
    ) -> NDArray[np.float32]:
        """Crop a window, once checked, for the net's input."""
        top, left, bottom, right = (int(value) for value in window)
        height, width = image.shape[:2]
        if not (0 <= top < bottom <= height and 0 <= left < right <= width):
            raise InputError(
                f"{filename}: the window {tuple(window)} is not within its {height} x {width} "
                "pixels; expected ymin, xmin, ymax, xmax"
            )
        return self.crop(image, np.array([top, left, bottom, right]))

    def detect_selective_search(self, image_fnames: object) -> NoReturn:
        """Refuse: Selective Search's proposals come from a MATLAB program that nobody ships."""
        raise InputError(
            "detect_selective_search needs Selective Search, a MATLAB program that is not part of "
            "this engine; generate the windows with it, or with another proposal method, and pass "
            "them to detect_windows"
        )

    def crop(self, im: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
        """Crop the window (ymin, xmin, ymax, xmax) from an image, H x W x K.

        With `context_pad` it is warped to the net's input size together with its surroundings;
        anything outside the image is filled with the mean.
        """
        if not self.context_pad:
            top, left, bottom, right = (int(value) for value in window)
            return im[top:bottom, left:right]
        size = self.crop_dims[0]
        corners = np.asarray(window)
        half = (corners[2:] - corners[:2] + 1) / 2.0
        reach = half * size / (size - 2.0 * self.context_pad)
        center = corners[:2] + half
        box = np.round(np.concatenate([center - reach, center + reach]))
        scale = size / (box[2:] - box[:2] + 1)
        pad = np.round(np.maximum(0, -box[:2]) * scale).astype(int)
        box = np.clip(box, 0, np.tile(im.shape[:2], 2)).astype(int)
        seen = np.round((box[2:] - box[:2] + 1) * scale).astype(int)
        height, width = np.minimum(seen, size - pad)
        warped = io.resize_image(im[box[0] : box[2], box[1] : box[3]], (height, width))
        crop = np.ones(self.crop_dims, np.float32) * self.crop_mean
        crop[pad[0] : pad[0] + height, pad[1] : pad[1] + width] = warped
        return crop

    def configure_crop(self, context_pad: int | None) -> None:
        """Set how many pixels of context `crop` includes at each side (None or 0: none)."""
        name = self.inputs[0]
        shape = self.blobs[name].shape[1:]
        self.crop_dims = np.array([shape[1], shape[2], shape[0]])
        self.context_pad = context_pad
        if not context_pad:
            return
        if shape[1] != shape[2] or not 0 < 2 * context_pad < shape[1]:
            raise InputError(
                f"context_pad is {context_pad} and the net's input {shape[1]} x {shape[2]}; "
                "expected a square input, and less than half its side as context_pad"
            )
        # The mean in the image's form: H x W x K, with its order of channels and range of values.
        self.crop_mean = np.zeros(self.crop_dims, np.float32)
        if name in self.transformer.mean:
            mean = np.moveaxis(np.asarray(self.transformer.mean[name], np.float32), 0, -1)
            order = self.transformer.channel_swap.get(name, range(shape[0]))
            self.crop_mean += mean[..., np.argsort(order)]
            self.crop_mean /= self.transformer.raw_scale.get(name, 1)
