"""pycaffe's `Detector`: windows of images to class scores (R-CNN: Girshick et al., 2014)."""

import numpy as np

from caffeformat import InputError, pb

from . import io
from .classifier import image_transformer
from .net import Net


class Detector(Net):
    """A Net in the TEST phase that scores windows of images.

    `context_pad` is how many pixels of the net's input, at each side, show what is around a window;
    `mean`, `input_scale`, `raw_scale` and `channel_swap` are those of `io.Transformer`.
    """

    def __init__(
        self,
        model_file,
        pretrained_file,
        mean=None,
        input_scale=None,
        raw_scale=None,
        channel_swap=None,
        context_pad=None,
    ):
        super().__init__(model_file, pb.TEST, weights=pretrained_file)
        if not self.inputs:
            raise InputError(f"{model_file}: a Detector needs a net with an Input layer")
        self.transformer = image_transformer(self, mean, input_scale, raw_scale, channel_swap)
        self.configure_crop(context_pad)

    def detect_windows(self, images_windows):
        """Scores of windows: `images_windows` has pairs of an image file and its windows.

        A window is (ymin, xmin, ymax, xmax) in pixels. Returns a list of dicts with `filename`,
        `window` and `prediction` (the net's first output for it), in the order given.
        """
        found, crops = [], []
        for filename, windows in images_windows:
            image = io.load_image(filename)
            for window in windows:
                found.append({"window": window, "filename": filename})
                crops.append(self._prepared(filename, image, window))
        if not crops:
            return []
        name = self.inputs[0]
        batch = np.stack([self.transformer.preprocess(name, crop) for crop in crops])
        predictions = self.forward_all(**{name: batch})[self.outputs[0]]
        for detection, prediction in zip(found, predictions):
            detection["prediction"] = prediction
        return found

    def _prepared(self, filename, image, window):
        top, left, bottom, right = (int(value) for value in window)
        height, width = image.shape[:2]
        if not (0 <= top < bottom <= height and 0 <= left < right <= width):
            raise InputError(
                f"{filename}: the window {tuple(window)} does not lie in its {height} x {width} "
                "pixels; expected ymin, xmin, ymax, xmax"
            )
        return self.crop(image, np.array([top, left, bottom, right]))

    def detect_selective_search(self, image_fnames):
        """Refused: Selective Search's proposals come from a MATLAB program that nobody ships."""
        raise InputError(
            "detect_selective_search needs Selective Search, a MATLAB program that is not part of "
            "this engine; make the windows with it, or another proposal method, and give them to "
            "detect_windows"
        )

    def crop(self, im, window):
        """The window (ymin, xmin, ymax, xmax) of an image, H x W x K.

        With `context_pad` it is warped to the net's input size with what is around it; what is
        outside the image is filled with the mean.
        """
        if not self.context_pad:
            top, left, bottom, right = window
            return im[top:bottom, left:right]
        size = self.crop_dims[0]
        window = np.asarray(window)
        half = (window[2:] - window[:2] + 1) / 2.0
        reach = half * size / (size - 2.0 * self.context_pad)
        center = window[:2] + half
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

    def configure_crop(self, context_pad):
        """Set how many pixels of context `crop` leaves at each side (None or 0: none)."""
        name = self.inputs[0]
        shape = self.blobs[name].shape[1:]
        self.crop_dims = np.array([shape[1], shape[2], shape[0]])
        self.context_pad = context_pad
        if not context_pad:
            return
        if shape[1] != shape[2] or not 0 < 2 * context_pad < shape[1]:
            raise InputError(
                f"context_pad is {context_pad}, the net's input {shape[1]} x {shape[2]}; expected "
                "a square input and less than half its side"
            )
        # The mean as the image has it: H x W x K, in the image's order and range of values.
        self.crop_mean = np.zeros(self.crop_dims, np.float32)
        if name in self.transformer.mean:
            mean = np.moveaxis(np.asarray(self.transformer.mean[name], np.float32), 0, -1)
            order = self.transformer.channel_swap.get(name, range(shape[0]))
            self.crop_mean += mean[..., np.argsort(order)]
            self.crop_mean /= self.transformer.raw_scale.get(name, 1)
