"""What networks on dilated ResNets share: heads, resizing from stride 8, auxiliary loss, files.

The heads are GluonCV's, two convolutions on a stage of the trunk. Scores are resized to the image;
nothing is padded by 100.
"""

from caffeformat import layers as L
from caffeformat import pb

from . import resnet
from .blocks import database_files, segmentation_loss, upsampling

# Heads learn this much faster than what comes from a classifier.
HEAD_RATE = 10

# What layers of the auxiliary head, which only training needs, are called.
_AUXILIARY = "aux"


def batch_norm(fraction, frozen):
    """Settings of BatchNorm: how much of the statistics stays each step, or `frozen` statistics."""
    return {"use_global_stats": True} if frozen else {"moving_average_fraction": fraction}


def head_units(n, settings):
    """`Units` for heads: `<name>_bn`, `<name>_scale` and `<name>_relu` follow `<name>`."""
    suffixes = ("bn", "scale", "relu")
    return resnet.Units(
        n, lambda name: tuple(f"{name}_{s}" for s in suffixes), True, settings, HEAD_RATE
    )


def head(units, name, bottom, channels, classes, older=False):
    """Add a 3x3 convolution to `channels`, BatchNorm, ReLU, dropout and a 1x1 convolution.

    older: as in the tutorial's first version, BatchNorm and ReLU come before each convolution, and
    there is no dropout. Returns the scores, of the classes, at the size of `bottom`.
    """
    settings = {"pad": 1, "bias_term": older}
    if older:
        top = units.normalize(f"{name}_in", bottom, in_place=False)
        bottom = units.add(f"{name}_in_relu", L.ReLU(top, in_place=True))
    top = units(f"{name}_conv", bottom, channels, 3, **settings)
    if not older:
        top = units.add(f"{name}_drop", L.Dropout(top, dropout_ratio=0.1, in_place=True))
    rates = [{"lr_mult": HEAD_RATE}] * 2
    made = L.Convolution(top, num_output=classes, kernel_size=1, param=rates, **units.filled)
    return units.add(f"{name}_score", made)


def enlarge(n, scores, data, classes, learned=False):
    """Add `score`, the scores at stride 8 resized to `data`, corners on corners; returns it.

    learned: a Deconvolution for each class that starts bilinear, cropped to `data`, instead.
    """
    if learned:
        # A kernel of 15 has a middle, as all windows before it do: offsets are whole numbers.
        n.upscore8 = upsampling(scores, classes, 8, kernel=15, learned=True)
        n.score = L.Crop(n.upscore8, data, axis=2)
    else:
        n.score = L.Interp(scores, data)
    return n.score


def auxiliary_head(n, settings, bottom, data, classes, older=False):
    """Add a head of half the width on stage 4, and its scores resized to `data`: `aux`."""
    scores = head(head_units(n, settings), _AUXILIARY, bottom, 256, classes, older)
    n[_AUXILIARY] = L.Interp(scores, data)


def files(deploy, trained, recipe, batch_size, mean, auxiliary_weight):
    """{file name: message} of a network; `trained` may have an auxiliary head, for TRAIN only."""
    losses = []
    for layer in trained.layer:
        if layer.name.startswith(_AUXILIARY):
            layer.include.add(phase=pb.TRAIN)
    if any(_AUXILIARY in layer.top for layer in trained.layer):
        loss = segmentation_loss(normalize=True, score=_AUXILIARY)
        loss.name = loss.top[0] = "loss_aux"
        loss.loss_weight.append(auxiliary_weight)
        loss.include.add(phase=pb.TRAIN)
        losses.append(loss)
    return database_files(deploy, recipe, batch_size, mean, trained=trained, losses=losses)
