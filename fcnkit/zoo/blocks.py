"""Parts that the networks share: multipliers, inputs, crop offsets and losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffeformat import geometry, pb
from caffeformat import layers as L

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Union

    from caffeformat import NetSpec
    from caffeformat.messages import Top

    Layers = Sequence[pb.LayerParameter]

    # File name -> the message that is written to it.
    Files = dict[str, Union[pb.NetParameter, pb.SolverParameter]]

# The usual pair: biases learn twice as fast as weights and do not decay.
WEIGHT_AND_BIAS = [{"lr_mult": 1, "decay_mult": 1}, {"lr_mult": 2, "decay_mult": 0}]
FIXED = [{"lr_mult": 0}]

# Mean of ImageNet's training images, BGR, as the FCN papers subtract it.
IMAGENET_MEAN = (104.00699, 116.66877, 122.67892)

IGNORE_LABEL = 255


def score(bottom: Top, classes: int, **settings: Any) -> Top:
    """Make a 1x1 convolution to the classes; `settings` are further fields of the layer."""
    return L.Convolution(
        bottom, num_output=classes, pad=0, kernel_size=1, param=WEIGHT_AND_BIAS, **settings
    )


def upsampling(
    bottom: Top,
    classes: int,
    factor: int,
    kernel: int | None = None,
    learned: bool = False,
    **settings: Any,
) -> Top:
    """Make a Deconvolution that enlarges by `factor`, its kernel twice that unless given.

    As published it has no filler: surgery makes it bilinear, and it stays fixed. If `learned`, each
    class has its own kernel, which starts bilinear. `settings` are further fields of the layer's
    convolution_param.
    """
    if learned:
        settings = {"group": classes, "weight_filler": {"type": "bilinear"}, **settings}
    return L.Deconvolution(
        bottom,
        param=WEIGHT_AND_BIAS[:1] if learned else FIXED,
        convolution_param={
            "num_output": classes,
            "bias_term": False,
            "kernel_size": kernel or 2 * factor,
            "stride": factor,
            **settings,
        },
    )


def image_input(channels: int, size: tuple[int, int]) -> Top:
    """Make an Input layer of one image of `size` (height, width)."""
    return L.Input(shape={"dim": [1, channels, *size]})


def set_crop_offsets(net: pb.NetParameter) -> pb.NetParameter:
    """Give every Crop layer of `net` the offset that aligns its bottoms; returns `net`."""
    for layer in net.layer:
        if layer.type == "Crop":
            offset = geometry.crop_offset(net, layer.name)
            layer.crop_param.ClearField("offset")
            layer.crop_param.offset.extend([offset] if isinstance(offset, int) else offset)
    return net


def finish(n: NetSpec, name: str) -> pb.NetParameter:
    """Turn `n` into a NetParameter called `name`, with its crop offsets computed."""
    net = n.to_proto()
    net.name = name
    return set_crop_offsets(net)


def database_inputs(
    mean: Sequence[float] = (), batch_size: int = 1, scale: float | None = None
) -> list[pb.LayerParameter]:
    """Make Data layers for an image and a label database, for TRAIN and for TEST.

    They have no `source`: a training run fills in which databases to read. `mean` (BGR) is
    subtracted from images, which are then multiplied by `scale`.
    """
    made = []
    for phase in (pb.TRAIN, pb.TEST):
        for name in ("data", "label"):
            layer = pb.LayerParameter(name=name, type="Data", top=[name])
            layer.include.add(phase=phase)
            if name == "data" and mean:
                layer.transform_param.mean_value.extend(mean)
            if name == "data" and scale is not None:
                layer.transform_param.scale = scale
            layer.data_param.batch_size = batch_size
            layer.data_param.backend = pb.DataParameter.LMDB
            made.append(layer)
    return made


def segmentation_loss(
    normalize: bool, score: str = "score", label: str = "label", name: str = "loss"
) -> pb.LayerParameter:
    """Make a SoftmaxWithLoss over all pixels except ignored ones, for the blobs named.

    normalize: average over those pixels instead of summing their losses over each image.
    """
    layer = pb.LayerParameter(name=name, type="SoftmaxWithLoss", bottom=[score, label], top=[name])
    layer.loss_param.ignore_label = IGNORE_LABEL
    layer.loss_param.normalize = normalize
    return layer


def pixel_accuracy(score: str = "score", label: str = "label") -> pb.LayerParameter:
    """Make an Accuracy layer, in TEST only, over all pixels except ignored ones."""
    layer = pb.LayerParameter(
        name="accuracy", type="Accuracy", bottom=[score, label], top=["accuracy"]
    )
    layer.include.add(phase=pb.TEST)
    layer.accuracy_param.ignore_label = IGNORE_LABEL
    return layer


def train_val(deploy: pb.NetParameter, inputs: Layers, measures: Layers) -> pb.NetParameter:
    """`deploy` with data layers instead of its Input layers, and losses and measures appended."""
    net = pb.NetParameter(name=deploy.name)
    net.layer.extend(inputs)
    net.layer.extend(layer for layer in deploy.layer if layer.type != "Input")
    net.layer.extend(measures)
    return net


def all_in_one(deploy: pb.NetParameter, inputs: Layers, measures: Layers) -> pb.NetParameter:
    """One net for the stages `train`, `val` and `deploy`, as DIGITS expects it.

    Input layers belong to the stage `deploy`, data layers and measures to the other two; DIGITS
    writes the input of its deploy file itself and removes Input layers.
    """
    net = pb.NetParameter(name=deploy.name)
    net.layer.extend([*inputs, *deploy.layer, *measures])
    end = len(inputs) + len(deploy.layer)
    for position, layer in enumerate(net.layer):
        if layer.type == "Input":
            layer.include.add(stage=["deploy"])
        elif not len(inputs) <= position < end:
            for rule in layer.include or [layer.include.add()]:
                rule.not_stage.append("deploy")
    return net
