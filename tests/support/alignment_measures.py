"""Whether an FCN puts what it sees where it was, measured by running it.

With kernels that average, a linear ramp has to come back as that ramp, and an impulse in its place
on average over one stride.
"""

import re

import numpy as np

from caffeformat import InputError, geometry
from fcnkit.surgery import fcn_from_classifier


def random_choice_of_stride(random, classifier):
    """An `FCN` of the classifier: any of its strides, dilated or with skips."""
    fields = geometry.receptive_fields(classifier)
    strides = sorted({int(field.stride[0]) for field in fields.values()})
    while True:
        stride = int(random.choice(strides))
        dilated = stride < strides[-1] and random.rand() < 0.3
        try:
            return fcn_from_classifier(classifier, 2, stride, dilated)
        except InputError as error:
            # Nothing is learned at stride 1 yet where the first layer strides, and a last pooling
            # of the whole map takes its stride with it.
            assert re.search("have strides|nothing to dilate", str(error))


class Averaging:
    """An FCN whose convolutions average, and whose scores are the mean of all that are added."""

    def __init__(self, caffe, fcn):
        self._net = caffe.Net(net_param=fcn.net, phase=caffe.TEST)
        for layer in fcn.net.layer:
            if layer.type == "Convolution":
                weights = self._net.params[layer.name][0]
                share = len(fcn.stages) if layer.name.startswith("score") else 1
                weights.data[...] = 1 / (weights.data[0].size * share)
                if len(self._net.params[layer.name]) > 1:
                    self._net.params[layer.name][1].data[...] = 0

    def __call__(self, images):
        """Scores of the first class, N x H x W, for images of N x H x W."""
        self._net.blobs["data"].reshape(len(images), 1, *images.shape[1:])
        self._net.blobs["data"].data[:, 0] = images
        return self._net.forward()["score"][:, 0].copy()


def ramp_error(net, size, stride):
    """The largest distance of a ramp from itself, in pixels, where borders are out of sight."""
    framed = np.full((size, size), 1e4, np.float32)
    # As wide as a stride, as strides larger than their kernels pass over some pixels.
    framed[stride:-stride, stride:-stride] = 1
    y, x = np.mgrid[:size, :size].astype(np.float32)
    seen, rows, columns = net(np.stack([framed, y, x]))
    # Whatever depends on the frame, as all that sees the padding behind it does, is far from 1.
    inside = np.abs(seen - 1) < 1e-4
    assert inside.sum() >= 4
    return max(np.abs(rows - y)[inside].max(), np.abs(columns - x)[inside].max())


def mean_displacement(net, size, stride):
    """By how many pixels lines are moved, on average over one stride, along both axes."""
    found = []
    start = size // 2 - stride // 2
    for axis in (1, 2):
        # Short along the lines: every stride and every gap of a dilated kernel fits in.
        shape = [stride, 64, 64]
        shape[axis] = size
        images = np.zeros(shape, np.float32)
        for i in range(stride):
            images[(i, start + i) if axis == 1 else (i, slice(None), start + i)] = 1
        profiles = net(images).sum(3 - axis)
        mass = profiles.sum(1)
        # Strides larger than their kernels pass over some lines.
        seen = mass > 1e-6 * mass.max()
        centroids = (profiles * np.arange(size)).sum(1)[seen] / mass[seen]
        found.append((centroids - start - np.arange(stride)[seen]).mean())
    return np.abs(found).max()


def check_alignment(caffe, fcn):
    """Fail unless ramp and impulses stay where they are, on average over one stride."""
    field = geometry.receptive_fields(fcn.net)["score"].size[0]
    size = 2 * field + 4 * fcn.stages[0].stride
    net = Averaging(caffe, fcn)
    assert net(np.zeros((1, 1, 1), np.float32)).shape == (1, 1, 1)
    assert ramp_error(net, size, fcn.stages[0].stride) < 2e-3
    assert mean_displacement(net, size, fcn.stages[0].stride) < 0.02
