"""SegmentationData layers in a run's nets, in place of Caffe's Data layers, for augmentation."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import caffeformat
from caffeformat import InputError, pb
from fcnkit import nets
from fcnkit.datasets import (
    LAYER,
    MODULE,
    is_berkeley,
    is_segmentation_data,
    options_of,
    set_options,
)
from fcnkit.images import IGNORE_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


# Caffe's other data layers, and the field that says how many images they read at a time.
_BATCHES = {
    "DenseImageData": "dense_image_data_param",
    "HDF5Data": "hdf5_data_param",
    "ImageData": "image_data_param",
    "ImageSegData": "image_data_param",
    "MemoryData": "memory_data_param",
    "WindowData": "window_data_param",
}


def augment_net(
    net: pb.NetParameter,
    split: str,
    data: str | os.PathLike[str],
    options: Mapping[str, Any],
    find: Callable[[str], str],
    own: tuple[int, int] | None = None,
) -> None:
    """Replace the Data layers of `net` by one SegmentationData layer.

    net         changed in place; must read one image blob and one label blob
    split       "train" or "val"; "val" reads whole images in order
    data        dataset folder
    options     of SegmentationData (crop, scale, flip, ...) for the split "train"; mean, scale,
                crop and mirror of the Data layers are kept unless changed here
    find        resolves the path of a mean file
    own         a (height, width) that the net takes; the crop of `options` is one
    """
    readers = nets.data_layers(net)
    tops = [top for layer in readers for top in layer.top]
    images = [top for top in tops if not nets.is_label(top)]
    if len(tops) != 2 or len(images) != 1:
        raise InputError(
            f"augmentation needs data layers for one image and one label blob; the {split} net "
            f"has {', '.join(tops) or 'none'}"
        )
    image = next(layer for layer in readers if images[0] in layer.top)
    chosen: dict[str, Any] = {
        "source": os.path.abspath(data),
        "split": split,
        "batch_size": batch_size(net) or 1,
    }
    chosen.update(transform_of(image, find))
    if "white" in options:
        chosen["white"] = options["white"]
    if split == "train":
        chosen.update({**_random_transform_of(image), "shuffle": True, **options})
    layer = pb.LayerParameter(name="data", type="Python", top=[images[0]])
    layer.top.extend(top for top in tops if top != images[0])
    layer.python_param.module, layer.python_param.layer = MODULE, LAYER
    head = nets.head(net)
    if head is not None and head.ignore is not None and head.ignore != IGNORE_LABEL:
        chosen.setdefault("ignore", head.ignore)
    set_options(layer, **chosen)
    names = {reader.name for reader in readers}
    rest = [other for other in net.layer if other.name not in names]
    del net.layer[:]
    net.layer.extend([layer, *rest])
    classes = nets.count_classes(net)
    if classes:
        set_options(net.layer[0], classes=classes)
    fit_whole_images(net, own or _size(options.get("crop")))


def fit_whole_images(net: pb.NetParameter, own: tuple[int, int] | None = None) -> None:
    """Let the SegmentationData layers of `net` give whole images sizes that the net takes.

    `own` is a (height, width) that it takes, such as the crops of training. Layers that crop are
    left alone, and so are nets that take every size.
    """
    readers = [
        layer
        for layer in nets.data_layers(net)
        if is_segmentation_data(layer)
        and all(options_of(layer).get(key) is None for key in ("crop", "steps"))
    ]
    sizes = sizes_of(net, own) if readers else None
    steps = None if sizes is None else sizes.steps()
    for layer in readers if steps is not None else ():
        set_options(layer, steps=steps)


def sizes_of(net: pb.NetParameter, own: tuple[int, int] | None = None) -> nets.ImageSizes | None:
    """The sizes of images that `net` takes, `own` among them; None where it has no one image."""
    head = nets.head(net)
    try:
        message, image = nets.deploy_net(net, (64, 64))
    except InputError:
        return None  # more inputs than one: their sizes depend on each other
    return None if head is None else nets.ImageSizes(message, image, head.score, own)


def crop_of(net: pb.NetParameter) -> tuple[int, int] | None:
    """The (height, width) of the crops that the image's data layer of `net` takes, if it does."""
    for layer in nets.data_layers(net):
        crop = layer.transform_param.crop_size or None
        if is_segmentation_data(layer):
            crop = options_of(layer).get("crop")
        if crop and not nets.is_label(layer.top[0]):
            return _size(crop)
    return None


def _size(crop: int | Sequence[int] | None) -> tuple[int, int] | None:
    """The (height, width) that an option `crop` stands for."""
    if not crop:
        return None
    height, width = (crop, crop) if isinstance(crop, int) else crop
    return int(height), int(width)


def transform_of(layer: pb.LayerParameter, find: Callable[[str], str]) -> dict[str, Any]:
    """Return the mean and scale that a data layer applies, as options of SegmentationData.

    `find` resolves the path of a mean file.
    """
    if is_segmentation_data(layer):
        return {k: v for k, v in options_of(layer).items() if k in ("mean", "input_scale")}
    transform = layer.transform_param
    options: dict[str, Any] = {}
    if transform.mean_value:
        values = list(transform.mean_value)
        options["mean"] = values
    elif transform.mean_file:
        mean = caffeformat.read_mean(find(transform.mean_file))
        options["mean"] = mean.reshape(len(mean), -1).mean(1).tolist()
    if transform.scale != 1:
        options["input_scale"] = transform.scale
    return options


def _random_transform_of(layer: pb.LayerParameter) -> dict[str, Any]:
    """Return the crop and mirror of a Data layer, as options of SegmentationData."""
    options: dict[str, Any] = {}
    transform = layer.transform_param
    if transform.crop_size:
        options["crop"] = transform.crop_size
    if transform.mirror:
        options["flip"] = True
    return options


def batch_size(net: pb.NetParameter) -> int | None:
    """Return how many images one pass through `net` reads, None where its text leaves it open."""
    for layer in nets.data_layers(net):
        if layer.type == "Data":
            return layer.data_param.batch_size
        if is_segmentation_data(layer):
            return int(options_of(layer).get("batch_size", 1))
    return None


def set_batch_size(net: pb.NetParameter, size: int) -> None:
    """Set how many images the data layers of `net` read per pass.

    Raises `InputError` for a layer whose batch size only its own code knows; Berkeley's layers read
    one image.
    """
    for layer in nets.data_layers(net):
        if layer.type == "Data":
            layer.data_param.batch_size = size
        elif is_segmentation_data(layer):
            set_options(layer, batch_size=size)
        elif layer.type in _BATCHES:
            getattr(layer, _BATCHES[layer.type]).batch_size = size
        elif not (is_berkeley(layer) and size == 1):
            found = "reads one image at a time" if is_berkeley(layer) else "has a size of its own"
            raise InputError(
                f"layer {layer.name!r} ({layer.type}) {found}, which {{option}} cannot change",
                option="batch_size",
                value=size,
            )
