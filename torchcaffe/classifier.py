"""pycaffe's `Classifier`: class probabilities of images, averaged over crops."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError, pb
from torchcaffe import io
from torchcaffe.nets import Net

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class ImageInputNet(Net):
    """A Net in the TEST phase whose first input takes images.

    `settings` are those of `io.Transformer`: `mean`, `input_scale`, `raw_scale`, `channel_swap`.
    """

    def __init__(
        self,
        model_file: str | os.PathLike[str],
        pretrained_file: str | os.PathLike[str] | None,
        **settings: ArrayLike | None,
    ) -> None:
        super().__init__(model_file, pb.TEST, weights=pretrained_file)
        if not self.inputs:
            kind = type(self).__name__
            raise InputError(f"{model_file}: it has no Input layer, which a {kind} needs")
        name = self.inputs[0]
        self.transformer = io.Transformer({name: self.blobs[name].shape})
        self.transformer.set_transpose(name, (2, 0, 1))
        for setting, value in settings.items():
            if value is not None:
                getattr(self.transformer, f"set_{setting}")(name, value)

    def scores(self, images: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Compute the first output for any number of images, H x W x K each."""
        name = self.inputs[0]
        batch = np.stack([self.transformer.preprocess(name, image) for image in images])
        return self.forward_all(None, **{name: batch})[self.outputs[0]]


class Classifier(ImageInputNet):
    """A Net in the TEST phase that classifies images.

    `image_dims` (height, width) is the size to which images are resized before they are cropped
    (default: the size of the net's input); `mean`, `input_scale`, `raw_scale` and `channel_swap`
    are those of `io.Transformer`.
    """

    def __init__(
        self,
        model_file: str | os.PathLike[str],
        pretrained_file: str | os.PathLike[str] | None,
        image_dims: Sequence[int] | None = None,
        mean: ArrayLike | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(
            model_file,
            pretrained_file,
            mean=mean,
            input_scale=input_scale,
            raw_scale=raw_scale,
            channel_swap=channel_swap,
        )
        self.crop_dims = np.array(self.blobs[self.inputs[0]].shape[2:])
        self.image_dims = tuple(image_dims) if image_dims is not None else tuple(self.crop_dims)
        if any(self.image_dims < self.crop_dims):
            raise InputError(
                f"image_dims is {self.image_dims}, smaller than the net's input "
                f"{tuple(self.crop_dims)}"
            )

    def predict(
        self, inputs: Sequence[NDArray[np.float32]], oversample: bool = True
    ) -> NDArray[np.float32]:
        """Compute the class probabilities, N x C, of N images.

        Images are H x W x K, with values as `io.load_image` returns them. With `oversample`,
        probabilities are averaged over the centre, the four corners and their mirror images;
        otherwise they are those of the centre.
        """
        if not len(inputs):
            raise InputError("predict needs at least one image")
        images = np.stack([io.resize_image(image, self.image_dims) for image in inputs])
        if oversample:
            images = io.oversample(images, self.crop_dims)
        else:
            center = np.array(self.image_dims) / 2.0
            top, left = (center - self.crop_dims / 2.0).astype(int)
            bottom, right = (center + self.crop_dims / 2.0).astype(int)
            images = images[:, top:bottom, left:right]
        predictions = self.scores(images)
        if oversample:
            predictions = predictions.reshape(len(predictions) // 10, 10, -1).mean(1)
        return predictions
