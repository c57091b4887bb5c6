"""SegmentationData layers in a run's nets, in place of Caffe's Data layers for augmentation."""

import json
import os

import caffeformat
from caffeformat import InputError, geometry, pb

from . import networks

MODULE, LAYER = "fcnkit.data_layers", "SegmentationData"


def is_segmentation_data(layer):
    """Whether a layer is our Python layer for images and labels together."""
    param = layer.python_param
    return layer.type == "Python" and (param.module, param.layer) == (MODULE, LAYER)


def options_of(layer):
    """The `param_str` of a SegmentationData layer as a dict."""
    try:
        return json.loads(layer.python_param.param_str or "{}")
    except ValueError as error:
        raise InputError(f"layer {layer.name!r}: param_str is not JSON: {error}") from error


def set_options(layer, **options):
    """Change options in the `param_str` of a SegmentationData layer."""
    layer.python_param.param_str = json.dumps({**options_of(layer), **options})


def augment(files, data, options):
    """Swap the Data layers of all nets in `files` (RunFiles) for SegmentationData layers.

    `data` is the dataset folder; `options` (crop, scale, flip, ...) go into the training net's
    layer, which also takes over mean, scale, crop and mirror of the Data layer's transform. Test
    nets read whole images. Raises `InputError` where a net does not read an image and a label.
    """
    for net, split in files.splits():
        readers = networks.data_layers(net)
        tops = [top for layer in readers for top in layer.top]
        images = [top for top in tops if not networks.is_label(top)]
        if len(tops) != 2 or len(images) != 1:
            raise InputError(
                f"augmentation needs data layers for one image and one label blob; the {split} net "
                f"has {', '.join(tops) or 'none'}"
            )
        image = next(layer for layer in readers if images[0] in layer.top)
        chosen = {"source": os.path.abspath(data), "split": split}
        chosen["batch_size"] = files.batch_size(net) or 1
        chosen.update(transform_of(files, image))
        if split == "train":
            chosen.update(_draws_of(image))
            chosen.update({"shuffle": True, **options})
        layer = pb.LayerParameter(name="data", type="Python", top=[images[0]])
        layer.top.extend(top for top in tops if top != images[0])
        layer.python_param.module, layer.python_param.layer = MODULE, LAYER
        layer.python_param.param_str = json.dumps(chosen)
        names = {reader.name for reader in readers}
        rest = [other for other in net.layer if other.name not in names]
        del net.layer[:]
        net.layer.extend([layer, *rest])
        classes = count_classes(net)
        if classes:
            set_options(net.layer[0], classes=classes)


def transform_of(files, layer):
    """The mean and scale that a data layer applies, as options of SegmentationData."""
    if is_segmentation_data(layer):
        return {k: v for k, v in options_of(layer).items() if k in ("mean", "input_scale")}
    transform, options = layer.transform_param, {}
    if transform.mean_value:
        values = list(transform.mean_value)
        options["mean"] = values * 3 if len(values) == 1 else values
    elif transform.mean_file:
        mean = caffeformat.read_blob(files.find(transform.mean_file))
        options["mean"] = mean.reshape(mean.shape[-3], -1).mean(1).tolist()
    if transform.scale != 1:
        options["input_scale"] = transform.scale
    return options


def _draws_of(layer):
    """The crop and mirror of a Data layer, as options of SegmentationData."""
    options, transform = {}, layer.transform_param
    if transform.crop_size:
        options["crop"] = transform.crop_size
    if transform.mirror:
        options["flip"] = True
    return options


def count_classes(net, side=224):
    """The number of classes that `net` scores, or None where its text does not tell.

    Shapes are followed for images of `side` pixels.
    """
    head = networks.head(net)
    if head is None:
        return None
    tops = [top for layer in networks.data_layers(net) for top in layer.top]
    shapes = {top: (1, 1 if networks.is_label(top) else 3, side, side) for top in tops}
    try:
        return int(geometry.infer_shapes(net, shapes)[head.score][1])
    except InputError:
        # Python layers in the net have shapes that only an engine knows.
        return None


def start_at(files, iteration):
    """Let the training net's SegmentationData go on where `iteration` steps have left it."""
    for layer in networks.data_layers(files.train):
        if is_segmentation_data(layer):
            used = iteration * files.solver.iter_size * options_of(layer).get("batch_size", 1)
            set_options(layer, start=used)
