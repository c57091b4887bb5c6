"""What a classifier's images went through before its first layer: its FCN's images need the same.

A deploy net does not tell it; the data layers of the net that it was trained with do, or the
mean.txt that convert_weights writes beside it.
"""

import collections
import os

from caffeformat import read_blob, read_net

from . import networks
from .preprocessing import parse_mean

Images = collections.namedtuple("Images", "mean scale source lost")
Images.__doc__ = """What becomes of pixel values from 0 to 255: `mean` is subtracted (a tuple of one
value a channel, blue first, or one for all; empty for none), then they are multiplied by `scale`.
`source` tells who says so (None: nobody), `lost` names a mean image that is not where it should be.
"""


def images_of(net, path):
    """The `Images` of a classifier's `NetParameter` and the file that it was read from.

    Where a deploy.prototxt has no data layers, a train_val.prototxt beside it is asked, then a
    mean.txt.
    """
    found = _told(net, path)
    folder, file = os.path.split(path)
    if found is None and file == "deploy.prototxt":
        train_val, mean = (
            os.path.join(folder, name) for name in ("train_val.prototxt", "mean.txt")
        )
        if os.path.isfile(train_val):
            found = _told(read_net(train_val), train_val)
        if found is None and os.path.isfile(mean) and _reads_colour(net):
            found = Images(tuple(parse_mean(mean).tolist()), 1.0, "as mean.txt says", None)
    return found or Images((), 1.0, None, None)


def describe(images, channels):
    """One or two lines of text: what the FCN's images need, and how commands are told."""
    values = "blue, green and red" if channels == 3 else "values"
    text = f"images: {values} from 0 to 255"
    if images.mean:
        text += f", minus {_join(images.mean, ', ')}"
    if images.scale != 1:
        text += f", times {images.scale:g}"
    if not images.mean and images.scale == 1:
        text += ", as they are"
    text += f" ({images.source})" if images.source else ""
    if images.lost:
        text += f"\nthe classifier's mean image, {images.lost}, is not there: say --mean"
    elif not images.source:
        text += (
            "\nnothing tells what the classifier's images went through: say --mean if they had one"
        )
    options = [f"--mean {_join(images.mean, ',')}"] if images.mean else []
    options += [f"--input-scale {images.scale:g}"] if images.scale != 1 else []
    if options:
        text += f"\ntraining does so by itself; inference with deploy.prototxt: {' '.join(options)}"
    return text


def _join(values, between):
    return between.join(f"{value:.8g}" for value in values)


def _reads_colour(net):
    shapes = [shape.dim for layer in net.layer for shape in layer.input_param.shape]
    return any(len(shape) == 4 and shape[1] == 3 for shape in shapes)


def _told(net, path):
    """What the first data layer says that says anything, or None where there is none."""
    layers = [layer for layer in net.layer if layer.type in networks.DATA_TYPES]
    if not layers:
        return None
    source = f"as {os.path.basename(path)} says"
    for layer in layers:
        transform = layer.transform_param
        if transform.mean_file:
            mean = _mean_of(transform.mean_file, os.path.dirname(path))
            return Images(mean, transform.scale, source, None if mean else transform.mean_file)
        if transform.mean_value or transform.scale != 1:
            return Images(tuple(transform.mean_value), transform.scale, source, None)
    return Images((), 1.0, source, None)


def _mean_of(file, folder):
    """The mean colour of a mean image: where its path leads to, or in the folder of the net."""
    for path in (file, os.path.join(folder, os.path.basename(file))):
        if os.path.isfile(path):
            pixels = read_blob(path)
            return tuple(pixels.reshape(pixels.shape[-3], -1).mean(1).tolist())
    return ()
