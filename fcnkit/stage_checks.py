"""Whether stages can be trained one after the other, told before the first of them starts."""

import os

import numpy as np

from caffeformat import InputError, Weights, read_caffemodel

from . import networks
from .datasets import open_dataset
from .joint_data import count_classes
from .parameters import net_parameters
from .surgery import transplant
from .training_files import RunFiles

# The size that the start net states; inference reshapes it to each image.
_IMAGE_SHAPE = (500, 500)


def start_net(files):
    """The net that a stage's first weights are for, from its `RunFiles`: its net for inference."""
    return networks.deploy_net(files.deploy, _IMAGE_SHAPE)[0]


def check_stages(stages, data, weights=None):
    """Raise `InputError` where `train_stages` could not go through `stages` to the end.

    Two stages of one name, a dataset without validation images, `weights` (a caffemodel for the
    first stage, or None) that do not fit, stages that score different numbers of classes or whose
    common layers differ in size (upsampling that does not learn may: it is made anew).
    """
    names = [stage.name for stage in stages]
    if len(set(names)) < len(names):
        raise InputError(f"stages need names of their own for their folders; found {names}")
    with open_dataset(data, "val") as dataset:
        if not len(dataset):
            raise InputError(f"{data}: has no validation images to score the stages on")
    runs = [RunFiles(stage.solver) for stage in stages]
    nets = [start_net(files) for files in runs]
    if weights is not None:
        if not os.path.isfile(weights):
            raise InputError(f"{weights}: there is no such file")
        _check_fit(read_caffemodel(weights), nets[0], f"{stages[0].name} from {weights}")
    _check_classes(names, [count_classes(files.train) for files in runs])
    for i in range(1, len(stages)):
        _check_fit(_shapes(nets[i - 1]), nets[i], f"{names[i]} from the weights of {names[i - 1]}")


def _check_classes(names, counts):
    known = {count: name for count, name in zip(counts, names) if count is not None}
    if len(known) > 1:
        found = ", ".join(f"{name} scores {count}" for count, name in known.items())
        raise InputError(
            f"the stages score different numbers of classes: {found}. Give their scoring and "
            "upsampling layers the same num_output"
        )


def _shapes(net):
    """Weights of the shapes of `net` without values of their own."""
    weights = Weights(name=net.name)
    for layer, blobs in net_parameters(net):
        weights[layer.name] = [np.broadcast_to(np.float32(0), blob.shape) for blob in blobs]
        weights.types[layer.name] = layer.type
    return weights


def _check_fit(source, net, what):
    """Refuse surgery that would leave out learned blobs of a layer that both sides have."""
    try:
        steps = transplant(source, net).steps
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
    # Bilinear interpolation from stride 32 and from stride 8 may well go by one name.
    fixed = {layer.name for layer in net.layer if _is_fixed_upsampling(layer)}
    misfits = [
        str(step)
        for step in steps
        if step.action == "dropping" and step.target and step.target not in fixed
    ]
    if misfits:
        raise InputError(
            f"{what}: not all layers of the same name fit:\n  " + "\n  ".join(misfits) + "\n"
            "  give such layers the same sizes, or another name where they are to start afresh"
        )


def _is_fixed_upsampling(layer):
    return (
        layer.type == "Deconvolution"
        and len(layer.param) > 0
        and not any(param.lr_mult for param in layer.param)
    )
