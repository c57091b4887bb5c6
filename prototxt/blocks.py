"""What the specs share: multipliers, database inputs, crop offsets, nets with data and loss."""

from caffeformat import geometry, pb
from caffeformat import layers as L

# The usual pair: biases learn twice as fast as weights and do not decay.
WEIGHT_AND_BIAS = [{"lr_mult": 1, "decay_mult": 1}, {"lr_mult": 2, "decay_mult": 0}]
FIXED = [{"lr_mult": 0}]

# Mean of ImageNet's training images, BGR, as the FCN papers subtract it.
IMAGENET_MEAN = (104.00699, 116.66877, 122.67892)

IGNORE_LABEL = 255


def score(bottom, classes, **settings):
    """A 1x1 convolution to the classes."""
    return L.Convolution(
        bottom, num_output=classes, pad=0, kernel_size=1, param=WEIGHT_AND_BIAS, **settings
    )


def upsampling(bottom, classes, factor, kernel=None, learned=False, **settings):
    """A Deconvolution that enlarges by `factor`, with a kernel of twice that where none is given.

    As published it has no filler, surgery makes it interpolate bilinearly, and it stays so. Where
    it is to be `learned`, each class has a kernel of its own that starts bilinear.
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


def set_crop_offsets(net):
    """Give every Crop layer of `net` the offset that the net's geometry asks for; returns `net`."""
    for layer in net.layer:
        if layer.type == "Crop":
            offset = geometry.crop_offset(net, layer.name)
            layer.crop_param.ClearField("offset")
            layer.crop_param.offset.extend([offset] if isinstance(offset, int) else offset)
    return net


def finish(n, name):
    """The NetSpec `n` as a NetParameter called `name`, with its crop offsets computed."""
    net = n.to_proto()
    net.name = name
    return set_crop_offsets(net)


def database_inputs(mean=(), batch_size=1, scale=None):
    """Data layers for an image and a label database, for TRAIN and for TEST: LayerParameters.

    They have no `source`: who trains says which databases. `mean` (BGR) is subtracted from images,
    which are then multiplied by `scale`.
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


def segmentation_loss(normalize, score="score", label="label"):
    """SoftmaxWithLoss over all pixels but those to be ignored: a LayerParameter.

    `normalize` averages over those pixels; without it their losses are summed over an image.
    """
    layer = pb.LayerParameter(
        name="loss", type="SoftmaxWithLoss", bottom=[score, label], top=["loss"]
    )
    layer.loss_param.ignore_label = IGNORE_LABEL
    layer.loss_param.normalize = normalize
    return layer


def pixel_accuracy(score="score", label="label"):
    """Accuracy in TEST over all pixels but those to be ignored: a LayerParameter."""
    layer = pb.LayerParameter(
        name="accuracy", type="Accuracy", bottom=[score, label], top=["accuracy"]
    )
    layer.include.add(phase=pb.TEST)
    layer.accuracy_param.ignore_label = IGNORE_LABEL
    return layer


def train_val(deploy, inputs, measures):
    """`deploy` with data layers for its Input layers and with losses and measures behind."""
    net = pb.NetParameter(name=deploy.name)
    net.layer.extend(inputs)
    net.layer.extend(layer for layer in deploy.layer if layer.type != "Input")
    net.layer.extend(measures)
    return net


def database_files(deploy, recipe, batch_size, mean=(), scale=None, trained=None, losses=()):
    """{file name: message} of a network that trains on databases, its loss a mean over pixels.

    trained: the net to train, where it is another than `deploy`; losses: further loss layers, which
    come before the main one.
    """
    inputs = database_inputs(mean, batch_size, scale)
    measures = [*losses, segmentation_loss(normalize=True), pixel_accuracy()]
    return {
        "train_val.prototxt": train_val(trained or deploy, inputs, measures),
        "deploy.prototxt": deploy,
        "solver.prototxt": recipe,
    }


def all_in_one(deploy, inputs, measures):
    """One net for the stages `train`, `val` and `deploy`, as DIGITS wants it.

    Input layers are for the stage `deploy`, data layers and measures for all others; DIGITS writes
    the input of its deploy file itself and takes Input layers away.
    """
    net = pb.NetParameter(name=deploy.name)
    net.layer.extend(list(inputs) + list(deploy.layer) + list(measures))
    end = len(inputs) + len(deploy.layer)
    for position, layer in enumerate(net.layer):
        if layer.type == "Input":
            layer.include.add(stage=["deploy"])
        elif not len(inputs) <= position < end:
            for rule in layer.include or [layer.include.add()]:
                rule.not_stage.append("deploy")
    return net


def solver(network, base_lr, max_iter, **settings):
    """A SolverParameter for the folder's train_val.prototxt; `settings` are further fields of it.

    Momentum is 0.9 and the rate fixed unless they say otherwise; snapshots are named after the
    network.
    """
    usual = {
        "net": "train_val.prototxt",
        "lr_policy": "fixed",
        "momentum": 0.9,
        "display": 20,
        "snapshot_prefix": network,
    }
    return pb.SolverParameter(base_lr=base_lr, max_iter=max_iter, **{**usual, **settings})
