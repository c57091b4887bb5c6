"""A segmentation task in any number of channels: two classes of squares that show in two bands."""

import os

import numpy as np

from fcnkit.images import voc_palette, write_label

CLASSES = ["background", "first", "second"]


def sample(random, channels, dtype, size=(24, 32)):
    """(image H x W x channels, label H x W uint8) with a border of 255 around the squares."""
    most = 1.0 if dtype == np.float32 else float(np.iinfo(dtype).max)
    image = random.uniform(0.2, 0.4, (*size, channels))
    label = np.zeros(size, np.uint8)
    for index in (1, 2):
        row, column = random.randint(1, size[0] - 11), random.randint(1, size[1] - 11)
        label[row - 1 : row + 10, column - 1 : column + 10] = 255
        label[row : row + 9, column : column + 9] = index
        # The first in the first band, the second in the last one; grey: darker and brighter.
        if channels == 1:
            image[row : row + 9, column : column + 9] = 0.02 if index == 1 else 0.95
        else:
            image[row : row + 9, column : column + 9, 0 if index == 1 else -1] += 0.55
    return (image * most).astype(dtype), label


def write_bands(folder, channels, dtype, write, train=8, val=3, size=(24, 32)):
    """Write `<folder>/{train,val}/{images,labels}` and `classes.txt`; returns the folder as str.

    `write(path without suffix, image)` saves an image.
    """
    random = np.random.RandomState(0)
    for split, count in (("train", train), ("val", val)):
        for kind in ("images", "labels"):
            os.makedirs(os.path.join(folder, split, kind))
        for i in range(count):
            image, label = sample(random, channels, dtype, size)
            write(os.path.join(folder, split, "images", f"{split}_{i}"), image)
            path = os.path.join(folder, split, "labels", f"{split}_{i}.png")
            write_label(path, label, voc_palette())
    with open(os.path.join(folder, "classes.txt"), "w") as file:
        file.write("\n".join(CLASSES) + "\n")
    return str(folder)


def as_npy(path, image):
    np.save(path + ".npy", image)


def as_tiff(path, image):
    import tifffile

    tifffile.imwrite(path + ".tif", image, photometric="minisblack", planarconfig="contig")


def as_png(path, image):
    from PIL import Image

    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(path + ".png")


def net_text(shift, scale):
    """An all-in-one net that shifts and scales its images to about unit size."""
    data = """
layer {{ name: "{name}" type: "Data" top: "{name}" include {{ phase: {phase} }}
  data_param {{ batch_size: {batch} backend: LMDB }} }}
"""
    layers = [
        data.format(name=name, phase=phase, batch=batch)
        for phase, batch in (("TRAIN", 2), ("TEST", 1))
        for name in ("data", "label")
    ]
    return "".join(layers) + _BODY % (shift, scale)


_BODY = """
name: "bands"
layer { name: "shift" type: "Power" bottom: "data" top: "shifted" power_param { shift: %g } }
layer { name: "small" type: "Power" bottom: "shifted" top: "small" power_param { scale: %g } }
layer { name: "conv1" type: "Convolution" bottom: "small" top: "conv1" convolution_param {
  num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "score" type: "Convolution" bottom: "conv1" top: "score" convolution_param {
  num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss"
  loss_param { ignore_label: 255 } exclude { stage: "deploy" } }
layer { name: "accuracy" type: "Accuracy" bottom: "score" bottom: "label" top: "accuracy"
  include { stage: "val" } accuracy_param { ignore_label: 255 } }
"""
