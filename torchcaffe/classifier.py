"""pycaffe's `Classifier`: images to class probabilities, averaged over crops."""

import numpy as np

from caffeformat import InputError, pb

from . import io
from .net import Net


def image_transformer(net, mean, input_scale, raw_scale, channel_swap):
    """The Transformer that brings H x W x K images into the form of the net's first input."""
    name = net.inputs[0]
    transformer = io.Transformer({name: net.blobs[name].shape})
    transformer.set_transpose(name, (2, 0, 1))
    for set_value, value in (
        (transformer.set_mean, mean),
        (transformer.set_input_scale, input_scale),
        (transformer.set_raw_scale, raw_scale),
        (transformer.set_channel_swap, channel_swap),
    ):
        if value is not None:
            set_value(name, value)
    return transformer


class Classifier(Net):
    """A Net in the TEST phase that classifies images.

    `image_dims` (height, width) is the size that images get before they are cropped (the net's own
    by default); `mean`, `input_scale`, `raw_scale` and `channel_swap` are those of
    `io.Transformer`.
    """

    def __init__(
        self,
        model_file,
        pretrained_file,
        image_dims=None,
        mean=None,
        input_scale=None,
        raw_scale=None,
        channel_swap=None,
    ):
        super().__init__(model_file, pb.TEST, weights=pretrained_file)
        if not self.inputs:
            raise InputError(f"{model_file}: a Classifier needs a net with an Input layer")
        self.transformer = image_transformer(self, mean, input_scale, raw_scale, channel_swap)
        self.crop_dims = np.array(self.blobs[self.inputs[0]].shape[2:])
        self.image_dims = tuple(image_dims) if image_dims is not None else tuple(self.crop_dims)
        if any(self.image_dims < self.crop_dims):
            raise InputError(
                f"image_dims are {self.image_dims}, smaller than the net's input "
                f"{tuple(self.crop_dims)}"
            )

    def predict(self, inputs, oversample=True):
        """Class probabilities N x C of N images (H x W x K, values as `io.load_image` gives them).

        With `oversample`, the mean over the centre, the four corners and their mirror images;
        otherwise of the centre alone.
        """
        if not len(inputs):
            raise InputError("predict was given no images")
        images = np.stack([io.resize_image(image, self.image_dims) for image in inputs])
        if oversample:
            images = io.oversample(images, self.crop_dims)
        else:
            center = np.array(self.image_dims) / 2.0
            top, left = (center - self.crop_dims / 2.0).astype(int)
            bottom, right = (center + self.crop_dims / 2.0).astype(int)
            images = images[:, top:bottom, left:right]
        name = self.inputs[0]
        batch = np.stack([self.transformer.preprocess(name, image) for image in images])
        predictions = self.forward_all(**{name: batch})[self.outputs[0]]
        if oversample:
            predictions = predictions.reshape(len(predictions) // 10, 10, -1).mean(1)
        return predictions
