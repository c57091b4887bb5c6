"""Random networks of the layers that FCNs use, valid by construction."""

import random

from caffeformat import infer_shapes, pb

# Layers that do not read their own top again to go backward. Only such a top may be overwritten by
# an in-place layer: Caffe lets it happen to others too, and then computes wrong gradients.
_OVERWRITABLE = ("Convolution", "Deconvolution", "Crop", "Concat", "Power", "Scale")


class _Builder:
    """A net that grows layer by layer; `shapes` knows every blob's shape so far."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.net = pb.NetParameter(name=f"random_{seed}")
        self.count = 0
        shape = [self.random.randint(1, 2), self.random.randint(1, 5)]
        self.top = self.input("data", shape + [self.random.randint(14, 30) for _ in "hw"])

    @property
    def shapes(self):
        return infer_shapes(self.net, {})

    def shape(self, blob=None):
        return tuple(self.shapes[blob or self.top])

    def maybe_in_place(self):
        return self.net.layer[-1].type in _OVERWRITABLE and self.random.random() < 0.7

    def input(self, name, shape):
        layer = self.net.layer.add(name=name, type="Input", top=[name])
        layer.input_param.shape.add(dim=shape)
        return name

    def add(self, kind, bottoms=None, in_place=False, **parameters):
        """Append a layer on the last top (or `bottoms`); a parameter message is given as a dict."""
        self.count += 1
        name = f"{kind.lower()}{self.count}"
        bottoms = bottoms or [self.top]
        top = bottoms[0] if in_place else name
        layer = self.net.layer.add(name=name, type=kind, bottom=bottoms, top=[top])
        for field, values in parameters.items():
            message = getattr(layer, field)
            message.SetInParent()
            for key, value in values.items():
                if isinstance(value, list):
                    getattr(message, key).extend(value)
                else:
                    setattr(message, key, value)
        self.top = top


def _convolution(b):
    groups = b.random.choice([g for g in (1, 1, 2, 3) if b.shape()[1] % g == 0])
    b.add(
        "Convolution",
        convolution_param={
            "num_output": groups * b.random.randint(1, 4),
            "group": groups,
            "kernel_size": [b.random.choice([1, 2, 3, 5])],
            "stride": [b.random.randint(1, 2)],
            "pad": [b.random.randint(0, 3)],
            "dilation": [b.random.choice([1, 1, 2])],
            "bias_term": b.random.random() < 0.7,
        },
    )


def _deconvolution(b):
    b.add(
        "Deconvolution",
        convolution_param={
            "num_output": b.random.randint(1, 4),
            "kernel_size": [b.random.choice([2, 3, 4])],
            "stride": [b.random.randint(1, 2)],
            "pad": [b.random.randint(0, 1)],
            "bias_term": b.random.random() < 0.5,
        },
    )


def _pooling(b):
    kernel = b.random.randint(2, 3)
    b.add(
        "Pooling",
        pooling_param={
            "pool": b.random.choice([pb.PoolingParameter.MAX, pb.PoolingParameter.AVE]),
            "kernel_size": kernel,
            "stride": b.random.randint(1, 3),
            "pad": b.random.randint(0, kernel - 1),
        },
    )


def _relu(b):
    slope = b.random.choice([0.0, 0.0, 0.1])
    b.add("ReLU", in_place=b.maybe_in_place(), relu_param={"negative_slope": slope})


def _lrn(b):
    region = b.random.choice([pb.LRNParameter.ACROSS_CHANNELS, pb.LRNParameter.WITHIN_CHANNEL])
    size = b.random.choice([3, 5])
    b.add("LRN", lrn_param={"local_size": size, "alpha": 0.5, "beta": 0.75, "norm_region": region})


def _normalisation(b):
    b.add("BatchNorm", in_place=b.maybe_in_place())
    b.add("Scale", in_place=True, scale_param={"bias_term": b.random.random() < 0.5})


def _power(b):
    b.add("Power", power_param={"power": 1.0, "scale": 0.5, "shift": 1.5})


def _join(b):
    """Two convolutions of the same blob, summed, multiplied, compared or stacked."""
    bottom, sides = b.top, []
    outputs = b.random.randint(1, 4)
    for kernel in (1, 3):
        b.top = bottom
        values = {"num_output": outputs, "kernel_size": [kernel], "pad": [kernel // 2]}
        b.add("Convolution", convolution_param=values)
        sides.append(b.top)
    if b.random.random() < 0.3:
        b.add("Concat", bottoms=sides)
    else:
        operation = b.random.choice(["SUM", "PROD", "MAX"])
        value = pb.EltwiseParameter.EltwiseOp.Value(operation)
        coefficients = {"coeff": [0.5, -1.5]} if operation == "SUM" else {}
        b.add("Eltwise", bottoms=sides, eltwise_param={"operation": value, **coefficients})


def _crop(b):
    """Crop to a smaller blob that a convolution without padding makes."""
    bottom = b.top
    values = {"num_output": b.shape()[1], "kernel_size": [3]}
    b.add("Convolution", convolution_param=values)
    offsets = [b.random.randint(0, 2), b.random.randint(0, 2)]
    b.add("Crop", bottoms=[bottom, b.top], crop_param={"axis": 2, "offset": offsets})


def _accuracy(b, score, label, **parameters):
    # It cannot go backward, and force_backward makes Caffe try.
    if not b.net.force_backward:
        b.add("Accuracy", bottoms=[score, label], **parameters)


def _classifier_loss(b, classes):
    b.add("InnerProduct", inner_product_param={"num_output": classes})
    label = b.input("label", [b.shape()[0]])
    score = b.top
    _accuracy(b, score, label)
    b.add("SoftmaxWithLoss", bottoms=[score, label])


def _segmentation_loss(b, classes):
    b.add("Convolution", convolution_param={"num_output": classes, "kernel_size": [1]})
    n, _, height, width = b.shape()
    label = b.input("label", [n, 1, height, width])
    loss = {"ignore_label": b.random.randrange(classes)} if b.random.random() < 0.5 else {}
    score = b.top
    _accuracy(b, score, label, accuracy_param=loss)
    b.add(
        "SoftmaxWithLoss",
        bottoms=[score, label],
        loss_param={**loss, "normalize": b.random.random() < 0.5},
    )


_BODY = [
    _convolution,
    _convolution,
    _deconvolution,
    _pooling,
    _relu,
    _relu,
    _lrn,
    _normalisation,
    _power,
    _join,
    _crop,
]


def random_net(seed):
    """The NetParameter of number `seed`: five to nine layers, and a loss in two of three."""
    b = _Builder(seed)
    _convolution(b)
    for _ in range(b.random.randint(4, 8)):
        if min(b.shape()[2:]) < 8:
            break
        b.random.choice(_BODY)(b)
    ending = b.random.choice([None, _classifier_loss, _segmentation_loss])
    # Without a loss nothing else asks for gradients.
    b.net.force_backward = ending is None or b.random.random() < 0.5
    if ending:
        ending(b, b.random.randint(2, 6))
    return b.net
