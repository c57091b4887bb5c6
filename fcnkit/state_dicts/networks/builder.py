"""A Caffe net and its weights, built together from the tensors of a state dict.

What a tensor's shape tells (outputs, kernel, groups, whether there is a bias) is taken from it, so
that a net with other classes or widths needs no other code.
"""

import math

import numpy as np

from caffeformat import InputError, NetSpec, Weights, infer_shapes
from caffeformat import layers as L
from caffeformat import params as P

_REMEDY = (
    "the file is damaged, or its network was changed: save the network's own state_dict() again"
)
_FOR_EACH_OUTPUT = ", one for each output of its weight"


class NetBuilder:
    """A net that grows layer by layer, and the weights that its layers take from `tensors`.

    Attributes: `n` (NetSpec), `weights` (Weights), `left` (names of tensors not yet taken).
    """

    def __init__(self, tensors, size):
        self.tensors, self.left, self._size = tensors, list(tensors), size
        self.n, self.weights = NetSpec(), Weights()
        self.channels = {}  # top -> channels
        self.n.data = L.Input(shape={"dim": [1, 3, *size]})
        self.channels[self.n.data] = 3

    def shape(self, name):
        """The shape of the tensor `name`; `InputError` where there is none."""
        if name not in self.tensors:
            raise InputError(
                f"the state dict has no {name!r}, which its other tensors ask for; it has "
                f"{', '.join(list(self.tensors)[:4])}, ...: {_REMEDY}"
            )
        return np.shape(self.tensors[name])

    def take(self, name, wanted, why=""):
        """The tensor `name` as float32; it has to have the shape `wanted` and finite values.

        wanted: an axis is a size or a word; words stand for sizes above 0, equal words for equal
        ones. why: what the error says of the shape that is expected.
        """
        check_shape(name, self.shape(name), wanted, why)
        tensor = np.asarray(self.tensors[name])
        if tensor.dtype.kind != "f":
            raise InputError(
                f"{name} has values of type {tensor.dtype}: expected floating-point numbers; "
                "convert quantized weights back where they come from"
            )
        with np.errstate(over="ignore"):  # is infinite then, and refused as that
            values = np.asarray(tensor, np.float32)
        if not np.isfinite(values).all():
            raise InputError(
                f"{name} has values that are no finite float32 numbers: the training diverged, or "
                "the file is damaged"
            )
        if name in self.left:
            self.left.remove(name)
        return values

    def take_with_bias(self, prefix, wanted, why=""):
        """[weight] or [weight, bias] of the module `prefix`; `wanted`: the weight's shape."""
        blobs = [self.take(f"{prefix}.weight", wanted, why)]
        if f"{prefix}.bias" in self.tensors:
            blobs.append(self.take(f"{prefix}.bias", [len(blobs[0])], _FOR_EACH_OUTPUT))
        return blobs

    def convolution(
        self, name, prefix, bottom, stride=1, pad=None, dilation=1, may_be_grouped=False
    ):
        """Add a convolution; `pad` keeps the size unless it is given. Returns its top."""
        channels, weight = self.channels[bottom], f"{prefix}.weight"
        inputs = "channels of a group" if may_be_grouped else channels
        wanted = ["outputs", inputs, "kernel", "kernel"]
        blobs = self.take_with_bias(prefix, wanted, f", as {channels} channels come in")
        outputs, own, kernel, _ = shape = blobs[0].shape
        group = channels // own
        if own * group != channels or outputs % group:
            raise InputError(
                f"{weight} has the shape {shape}: expected outputs in as many equal groups as "
                f"its channels make of the {channels} that come in; {_REMEDY}"
            )
        if pad is None and kernel % 2 == 0:
            raise InputError(
                f"{weight} has the shape {shape}: expected an odd kernel, as nothing says how an "
                f"even one is padded; {_REMEDY}"
            )
        settings = {"group": group} if group > 1 else {}
        if len(blobs) == 1:
            settings["bias_term"] = False
        if dilation > 1:
            settings["dilation"] = dilation
        self.n[name] = top = L.Convolution(
            bottom,
            num_output=outputs,
            kernel_size=kernel,
            stride=stride,
            pad=dilation * (kernel // 2) if pad is None else pad,
            **settings,
        )
        self.weights[name], self.weights.types[name] = blobs, "Convolution"
        self.channels[top] = outputs
        return top

    def batch_norm(self, name, scale_name, prefix, bottom, eps=1e-5):
        """Add BatchNorm and Scale in place. `eps` is not in a state dict: PyTorch's default."""
        mean, variance, factor, offset = (
            self.take(f"{prefix}.{part}", [self.channels[bottom]], ", one for each channel")
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        if variance.min() < 0:
            raise InputError(
                f"{prefix}.running_var has the value {variance.min():g}: a variance is 0 or more; "
                f"{_REMEDY}"
            )
        if f"{prefix}.num_batches_tracked" in self.left:
            self.left.remove(f"{prefix}.num_batches_tracked")
        self.n[name] = top = L.BatchNorm(bottom, eps=eps, in_place=True)
        self.weights[name] = [mean, variance, np.ones(1, np.float32)]
        self.n[scale_name] = top = L.Scale(top, bias_term=True, in_place=True)
        self.weights[scale_name] = [factor, offset]
        self.weights.types.update({name: "BatchNorm", scale_name: "Scale"})
        return self._same_channels(top, bottom)

    def relu(self, name, bottom):
        """Add a ReLU in place."""
        self.n[name] = top = L.ReLU(bottom, in_place=True)
        return self._same_channels(top, bottom)

    def dropout(self, name, bottom, ratio=0.5):
        """Add a Dropout in place."""
        self.n[name] = top = L.Dropout(bottom, dropout_ratio=ratio, in_place=True)
        return self._same_channels(top, bottom)

    def max_pooling(self, name, bottom, kernel, stride, pad=0, ceil=False):
        """Add a max pooling; Caffe rounds sizes up unless told, PyTorch down."""
        rounding = {} if ceil else {"round_mode": P.Pooling.FLOOR}
        padding = {"pad": pad} if pad else {}
        self.n[name] = top = L.Pooling(
            bottom, pool=P.Pooling.MAX, kernel_size=kernel, stride=stride, **padding, **rounding
        )
        return self._same_channels(top, bottom)

    def global_pooling(self, name, bottom):
        """Add the average over the whole of `bottom`, what an adaptive pooling to 1 x 1 is."""
        self.n[name] = top = L.Pooling(bottom, pool=P.Pooling.AVE, global_pooling=True)
        return self._same_channels(top, bottom)

    def adaptive_pooling(self, name, bottom, grid):
        """Bring `bottom` to `grid` x `grid` as PyTorch's adaptive average pooling does.

        Nothing is added where it has that size. Raises `InputError` where the windows would not be
        of one size, which no layer of Caffe's computes.
        """
        height, width = self.size(bottom)
        if (height, width) == (grid, grid):
            return bottom
        if height % grid or width % grid:
            raise InputError(
                f"an input of this size gives features of {height} x {width}, which the "
                f"classifier averages to {grid} x {grid}: choose a size at which they are that, "
                f"or a multiple of it (the classifier's own size always is)"
            )
        kernel = {
            "kernel_h": height // grid,
            "kernel_w": width // grid,
            "stride_h": height // grid,
            "stride_w": width // grid,
        }
        self.n[name] = top = L.Pooling(bottom, pool=P.Pooling.AVE, **kernel)
        return self._same_channels(top, bottom)

    def inner_product(self, name, prefix, bottom):
        """Add a fully connected layer; weights kept as a convolution's are flattened."""
        channels, *size = self._shape_of(bottom)[1:]
        wanted, why = ["outputs", math.prod([channels, *size])], ", as many as values come in"
        if len(self.shape(f"{prefix}.weight")) == 4:
            wanted = ["outputs", channels, *(size or [1, 1])]
        blobs = self.take_with_bias(prefix, wanted, why)
        blobs[0] = blobs[0].reshape(len(blobs[0]), -1)
        self.n[name] = top = L.InnerProduct(
            bottom, num_output=len(blobs[0]), **({} if len(blobs) > 1 else {"bias_term": False})
        )
        self.weights[name], self.weights.types[name] = blobs, "InnerProduct"
        self.channels[top] = len(blobs[0])
        return top

    def size(self, top):
        """(height, width) of a top."""
        return tuple(self._shape_of(top)[2:])

    def shapes(self):
        """{blob: shape} so far; `InputError` where the input is too small for the layers."""
        try:
            return infer_shapes(self.n.to_proto())
        except InputError as error:
            size = " x ".join(map(str, self._size))
            raise InputError(f"{error}: choose an input larger than {size}") from error

    def _shape_of(self, top):
        shapes, net = self.shapes(), self.n.to_proto()
        name = next(name for name, made in self.n.tops.items() if made is top)
        return shapes[next(layer.top[0] for layer in net.layer if layer.name == name)]

    def _same_channels(self, top, bottom):
        self.channels[top] = self.channels[bottom]
        return top


def check_shape(name, found, wanted, why=""):
    """`InputError` unless a tensor's shape is what is wanted, which is said as to `take`."""
    words = {}
    fits = len(found) == len(wanted) and all(
        have > 0 and have == (words.setdefault(want, have) if isinstance(want, str) else want)
        for have, want in zip(found, wanted)
    )
    if not fits:
        raise InputError(
            f"{name} has the shape {tuple(found)}: expected {' x '.join(map(str, wanted))}{why}; "
            f"{_REMEDY}"
        )
