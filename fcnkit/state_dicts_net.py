"""A Caffe net and its weights, built together from the tensors of a state dict.

What a tensor's shape tells (outputs, kernel, groups, whether there is a bias) is taken from it, so
that a net with other classes or widths needs no other code.
"""

import numpy as np

from caffeformat import InputError, NetSpec, Weights
from caffeformat import layers as L
from caffeformat import params as P
from caffeformat.geometry import infer_shapes


class NetBuilder:
    """A net that grows layer by layer, and the weights that its layers take from `tensors`.

    Attributes: `n` (NetSpec), `weights` (Weights), `left` (names of tensors not yet taken).
    """

    def __init__(self, tensors, size):
        self.tensors, self.left = tensors, list(tensors)
        self.n, self.weights = NetSpec(), Weights()
        self.channels = {}  # top -> channels
        self.n.data = L.Input(shape={"dim": [1, 3, *size]})
        self.channels[self.n.data] = 3

    def take(self, name):
        """The tensor `name` as float32; `InputError` where there is none."""
        if name not in self.tensors:
            raise InputError(
                f"the state dict has no {name!r}, which its other tensors ask for; it has "
                f"{', '.join(list(self.tensors)[:4])}, ..."
            )
        if name in self.left:
            self.left.remove(name)
        return np.asarray(self.tensors[name], np.float32)

    def take_with_bias(self, prefix):
        """[weight] or [weight, bias] of the module called `prefix`."""
        bias = [f"{prefix}.bias"] if f"{prefix}.bias" in self.tensors else []
        return [self.take(name) for name in [f"{prefix}.weight", *bias]]

    def convolution(self, name, prefix, bottom, stride=1, pad=None, dilation=1):
        """Add a convolution; `pad` keeps the size unless it is given. Returns its top."""
        blobs = self.take_with_bias(prefix)
        weight = blobs[0]
        if weight.ndim != 4 or not weight.size or self.channels[bottom] % weight.shape[1]:
            raise InputError(
                f"{prefix}.weight has the shape {weight.shape}: it is no convolution of "
                f"{self.channels[bottom]} channels"
            )
        outputs, _, height, width = weight.shape
        if height != width:
            raise InputError(f"{prefix}.weight has a kernel of {height} x {width}: not square")
        group = self.channels[bottom] // weight.shape[1]
        settings = {"group": group} if group > 1 else {}
        if len(blobs) == 1:
            settings["bias_term"] = False
        if dilation > 1:
            settings["dilation"] = dilation
        self.n[name] = top = L.Convolution(
            bottom,
            num_output=outputs,
            kernel_size=height,
            stride=stride,
            pad=dilation * (height // 2) if pad is None else pad,
            **settings,
        )
        self.weights[name], self.weights.types[name] = blobs, "Convolution"
        self.channels[top] = outputs
        return top

    def batch_norm(self, name, scale_name, prefix, bottom, eps=1e-5):
        """Add BatchNorm and Scale in place. `eps` is not in a state dict: PyTorch's default."""
        mean, variance = (self.take(f"{prefix}.running_{what}") for what in ("mean", "var"))
        if f"{prefix}.num_batches_tracked" in self.left:
            self.left.remove(f"{prefix}.num_batches_tracked")
        self._check_channels(mean, prefix, bottom)
        self.n[name] = top = L.BatchNorm(bottom, eps=eps, in_place=True)
        self.weights[name] = [mean, variance, np.ones(1, np.float32)]
        self.n[scale_name] = top = L.Scale(top, bias_term=True, in_place=True)
        self.weights[scale_name] = self.take_with_bias(prefix)
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
        blobs = self.take_with_bias(prefix)
        blobs[0] = blobs[0].reshape(len(blobs[0]), -1)
        self.n[name] = top = L.InnerProduct(
            bottom, num_output=len(blobs[0]), **({} if len(blobs) > 1 else {"bias_term": False})
        )
        self.weights[name], self.weights.types[name] = blobs, "InnerProduct"
        self.channels[top] = len(blobs[0])
        return top

    def size(self, top):
        """(height, width) of a top."""
        net = top.to_proto()
        return tuple(infer_shapes(net)[net.layer[-1].top[0]][2:])

    def _check_channels(self, values, prefix, bottom):
        if values.shape != (self.channels[bottom],):
            raise InputError(
                f"{prefix} has statistics of shape {values.shape} for {self.channels[bottom]} "
                "channels"
            )

    def _same_channels(self, top, bottom):
        self.channels[top] = self.channels[bottom]
        return top
