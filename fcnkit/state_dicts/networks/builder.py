"""Builds a Caffe net together with its weights, from the tensors of a state dict.

Outputs, kernels, groups and biases are read from the tensors' shapes, so that a net with other
classes or widths needs no code of its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError, NetSpec, Weights, infer_shapes
from caffeformat import layers as L
from caffeformat import params as P

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from caffeformat.messages import Top

    Shape = Sequence[int | str]  # see `NetBuilder.take`

_REMEDY = (
    "the file is damaged, or its network was changed: save the network's own state_dict() again"
)
_PER_OUTPUT = ", one per output of its weight"


class NetBuilder:
    """A net that grows layer by layer, with weights taken from `tensors`.

    `size` is the height and width of its input; `spelling` maps names of `tensors` to those that
    errors show, the file's own. Attributes: `n` (NetSpec), `weights` (Weights),
    `left` (names of the tensors not taken yet), `channels` (of each top).
    """

    def __init__(
        self,
        tensors: Mapping[str, NDArray[Any]],
        size: tuple[int, int],
        spelling: Callable[[str], str] = str,
    ) -> None:
        self.tensors, self.left, self._size = tensors, list(tensors), size
        self._spelling = spelling
        self.n, self.weights = NetSpec(), Weights()
        self.channels: dict[Top, int] = {}
        data: Top = L.Input(shape={"dim": [1, 3, *size]})
        self.n.data = data
        self.channels[data] = 3

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of the tensor `name`; raises `InputError` where there is none."""
        if name not in self.tensors:
            raise InputError(
                f"the state dict has no {self._spelling(name)!r}, which its other tensors require; "
                f"it has {', '.join(map(self._spelling, list(self.tensors)[:4]))}, ...: {_REMEDY}"
            )
        return np.shape(self.tensors[name])

    def take(self, name: str, wanted: Shape, why: str = "") -> NDArray[np.float32]:
        """The tensor `name` as float32; it must have the shape `wanted` and finite values.

        Each axis of `wanted` is a size or a word; words stand for sizes above 0, equal words for
        equal sizes. `why` is what the error adds to the expected shape.
        """
        shown = self._spelling(name)
        check_shape(shown, self.shape(name), wanted, why)
        tensor = np.asarray(self.tensors[name])
        if tensor.dtype.kind != "f":
            raise InputError(
                f"{shown} has values of type {tensor.dtype}, expected floating-point numbers; "
                "convert quantized weights back in the framework that they come from"
            )
        with np.errstate(over="ignore"):  # becomes infinite, and is refused below
            values = np.asarray(tensor, np.float32)
        if not np.isfinite(values).all():
            raise InputError(
                f"{shown} has values that are not finite float32 numbers: the training run "
                "diverged, or the file is damaged"
            )
        if name in self.left:
            self.left.remove(name)
        return values

    def zero_bias(self, prefix: str) -> None:
        """Give the module `prefix` a bias of zeros where it has none.

        Weights are copied only into layers with as many blobs, so they need the biases of the
        network that they are for.
        """
        if f"{prefix}.bias" not in self.tensors:
            bias = np.zeros(self.shape(f"{prefix}.weight")[:1], np.float32)
            self.tensors = {**self.tensors, f"{prefix}.bias": bias}

    def take_with_bias(
        self, prefix: str, wanted: Shape, why: str = ""
    ) -> list[NDArray[np.float32]]:
        """[weight] or [weight, bias] of the module `prefix`; `wanted` is the weight's shape."""
        blobs = [self.take(f"{prefix}.weight", wanted, why)]
        if f"{prefix}.bias" in self.tensors:
            blobs.append(self.take(f"{prefix}.bias", [len(blobs[0])], _PER_OUTPUT))
        return blobs

    def convolution(
        self,
        name: str,
        prefix: str,
        bottom: Top,
        stride: int = 1,
        pad: int | None = None,
        dilation: int = 1,
        may_be_grouped: bool = False,
    ) -> Top:
        """Add a convolution and return its top; by default `pad` keeps the size (at stride 1)."""
        channels, weight = self.channels[bottom], f"{prefix}.weight"
        inputs: int | str = "channels of a group" if may_be_grouped else channels
        wanted = ["outputs", inputs, "kernel", "kernel"]
        blobs = self.take_with_bias(prefix, wanted, f", for {channels} input channels")
        outputs, own, kernel, _ = shape = blobs[0].shape
        group = channels // own
        if own * group != channels or outputs % group:
            raise InputError(
                f"{weight} has the shape {shape}: its channels must divide the {channels} input "
                f"channels into groups, and its outputs into as many; {_REMEDY}"
            )
        if pad is None and kernel % 2 == 0:
            raise InputError(
                f"{weight} has the shape {shape}: expected an odd kernel, since the padding of an "
                f"even one is unknown; {_REMEDY}"
            )
        settings: dict[str, Any] = {"group": group} if group > 1 else {}
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

    def batch_norm(
        self, name: str, scale_name: str, prefix: str, bottom: Top, eps: float = 1e-5
    ) -> Top:
        """Add BatchNorm and Scale in place. State dicts lack `eps`, so it is PyTorch's default."""
        mean, variance, factor, offset = (
            self.take(f"{prefix}.{part}", [self.channels[bottom]], ", one per channel")
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        if variance.min() < 0:
            name = self._spelling(f"{prefix}.running_var")
            raise InputError(
                f"{name} has the value {variance.min():g}, expected 0 or more; {_REMEDY}"
            )
        if f"{prefix}.num_batches_tracked" in self.left:
            self.left.remove(f"{prefix}.num_batches_tracked")
        self.n[name] = top = L.BatchNorm(bottom, eps=eps, in_place=True)
        self.weights[name] = [mean, variance, np.ones(1, np.float32)]
        self.n[scale_name] = top = L.Scale(top, bias_term=True, in_place=True)
        self.weights[scale_name] = [factor, offset]
        self.weights.types.update({name: "BatchNorm", scale_name: "Scale"})
        return self._same_channels(top, bottom)

    def relu(self, name: str, bottom: Top) -> Top:
        """Add a ReLU in place."""
        self.n[name] = top = L.ReLU(bottom, in_place=True)
        return self._same_channels(top, bottom)

    def dropout(self, name: str, bottom: Top, ratio: float = 0.5) -> Top:
        """Add a Dropout in place."""
        self.n[name] = top = L.Dropout(bottom, dropout_ratio=ratio, in_place=True)
        return self._same_channels(top, bottom)

    def max_pooling(
        self,
        name: str,
        bottom: Top,
        kernel: int,
        stride: int,
        pad: int = 0,
        ceil: bool = False,
    ) -> Top:
        """Add a max pooling that rounds sizes down, as PyTorch does, or up with `ceil`."""
        rounding = {} if ceil else {"round_mode": P.Pooling.FLOOR}
        padding = {"pad": pad} if pad else {}
        self.n[name] = top = L.Pooling(
            bottom, pool=P.Pooling.MAX, kernel_size=kernel, stride=stride, **padding, **rounding
        )
        return self._same_channels(top, bottom)

    def learned_enlarging(self, name: str, prefix: str, bottom: Top, factor: int) -> Top:
        """Add a learned upsampling to `factor` times the size, which may mix channels."""
        kernel = 2 * factor
        wanted: list[int | str] = [self.channels[bottom], "outputs", kernel, kernel]
        blobs = [self.take(f"{prefix}.weight", wanted, ", inputs first")]
        self.n[name] = top = L.Deconvolution(
            bottom,
            convolution_param={
                "num_output": blobs[0].shape[1],
                "bias_term": False,
                "kernel_size": kernel,
                "stride": factor,
                "pad": factor // 2,
            },
        )
        self.weights[name], self.weights.types[name] = blobs, "Deconvolution"
        self.channels[top] = blobs[0].shape[1]
        return top

    def resized(self, name: str, bottom: Top, like: Top) -> Top:
        """Add a bilinear resizing to the size of `like`, corners on corners."""
        self.n[name] = top = L.Interp(bottom, like)
        return self._same_channels(top, bottom)

    def added(self, name: str, one: Top, other: Top) -> Top:
        """Add the sum of two tops, which must have as many channels."""
        if self.channels[one] != self.channels[other]:
            raise InputError(
                f"{name} adds {self.channels[one]} channels to {self.channels[other]}: expected "
                f"as many on both sides; {_REMEDY}"
            )
        self.n[name] = top = L.Eltwise(one, other)
        return self._same_channels(top, one)

    def joined(self, name: str, *bottoms: Top) -> Top:
        """Add the concatenation of tops along their channels."""
        self.n[name] = top = L.Concat(*bottoms)
        self.channels[top] = sum(self.channels[bottom] for bottom in bottoms)
        return top

    def global_pooling(self, name: str, bottom: Top) -> Top:
        """Add the average over all of `bottom`, the same as an adaptive pooling to 1 x 1."""
        self.n[name] = top = L.Pooling(bottom, pool=P.Pooling.AVE, global_pooling=True)
        return self._same_channels(top, bottom)

    def adaptive_pooling(self, name: str, bottom: Top, grid: int) -> Top:
        """Average `bottom` to `grid` x `grid` as PyTorch's adaptive average pooling does.

        Adds nothing where it has that size already. Raises `InputError` where the windows would
        differ in size, which no layer of Caffe supports.
        """
        height, width = self.size(bottom)
        if (height, width) == (grid, grid):
            return bottom
        if height % grid or width % grid:
            raise InputError(
                f"an input of this size gives features of {height} x {width}, which the "
                f"network averages to {grid} x {grid}: choose an input size at which they are "
                f"{grid} x {grid} or a multiple of it (the network's own size always works)"
            )
        kernel = {
            "kernel_h": height // grid,
            "kernel_w": width // grid,
            "stride_h": height // grid,
            "stride_w": width // grid,
        }
        self.n[name] = top = L.Pooling(bottom, pool=P.Pooling.AVE, **kernel)
        return self._same_channels(top, bottom)

    def inner_product(self, name: str, prefix: str, bottom: Top) -> Top:
        """Add a fully connected layer; weights in the shape of a convolution are flattened."""
        channels, *size = self._shape_of(bottom)[1:]
        wanted: list[int | str] = ["outputs", math.prod([channels, *size])]
        why = ", one per input value"
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

    def size(self, top: Top) -> tuple[int, int]:
        """(height, width) of a top."""
        height, width = self._shape_of(top)[2:]
        return height, width

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """{blob: shape} so far; raises `InputError` where the input is too small for the layers."""
        try:
            return infer_shapes(self.n.to_proto())
        except InputError as error:
            size = " x ".join(map(str, self._size))
            raise InputError(f"{error}: choose an input larger than {size}") from error

    def _shape_of(self, top: Top) -> tuple[int, ...]:
        shapes, net = self.shapes(), self.n.to_proto()
        name = next(name for name, made in self.n.tops.items() if made is top)
        return shapes[next(layer.top[0] for layer in net.layer if layer.name == name)]

    def _same_channels(self, top: Top, bottom: Top) -> Top:
        self.channels[top] = self.channels[bottom]
        return top


def check_shape(name: str, found: Sequence[int], wanted: Shape, why: str = "") -> None:
    """Raise `InputError` unless the shape `found` is `wanted`, in the notation of `take`."""
    words: dict[str, int] = {}
    fits = len(found) == len(wanted) and all(
        have > 0 and have == (words.setdefault(want, have) if isinstance(want, str) else want)
        for have, want in zip(found, wanted)
    )
    if not fits:
        raise InputError(
            f"{name} has the shape {tuple(found)}, expected {' x '.join(map(str, wanted))}{why}; "
            f"{_REMEDY}"
        )
