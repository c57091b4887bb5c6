"""The base classes of layers, and the registry of layer types.

A layer type is a small class that reads its parameters once (`setup`), defines the shapes that it
accepts and produces (`check`, `top_shapes`), and computes its tops from its bottoms with torch
functions (`forward`). Autograd computes the gradients. The net looks after everything else that
Caffe shows of a layer: its blobs, their diffs and sharing, and the order of computation.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

import torch

from caffeformat import InputError
from caffeformat.geometry import LOSSES, RULES, SOURCES, loss_shapes
from caffeformat.messages import unknown_layer
from torchcaffe import core

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caffeformat import pb
    from torchcaffe.core import Blob

Shape = tuple[int, ...]
Shapes = Sequence[Shape]
Tensors = Sequence[torch.Tensor]
# Returns the gradients of what needs one, bottoms before parameters, for the diff of the only top
Gradient = Callable[[torch.Tensor], "Sequence[torch.Tensor | None]"]

_TYPES: dict[str, type[Layer]] = {}
# Type -> (condition, the class of layers that meet it), for forks' other layers of the same type
_VARIANTS: dict[str, tuple[Callable[[pb.LayerParameter], bool], type[Layer]]] = {}
# The layers whose bottoms hold indices, and those that can leave out labels
_CHOOSING = ("BatchReindex", "Embed")
_IGNORING = ("Accuracy", "InfogainLoss", "SegAccuracy", "SoftmaxWithLoss")
_LayerClass = TypeVar("_LayerClass", bound="type[Layer]")


def register(name: str) -> Callable[[_LayerClass], _LayerClass]:
    """Class decorator: this class is what `type: "<name>"` means in a prototxt."""

    def enter(cls: _LayerClass) -> _LayerClass:
        cls.type = name
        _TYPES[name] = cls
        return cls

    return enter


def register_variant(
    name: str, condition: Callable[[pb.LayerParameter], bool]
) -> Callable[[_LayerClass], _LayerClass]:
    """Class decorator: this class is what type `name` means for layers that meet `condition`."""

    def enter(cls: _LayerClass) -> _LayerClass:
        cls.type = name
        _VARIANTS[name] = condition, cls
        return cls

    return enter


def layer_type_list() -> list[str]:
    """Return the names of all layer types, sorted."""
    return sorted(_TYPES)


def create(proto: pb.LayerParameter, phase: int) -> Layer:
    """Create the layer that `proto` describes; it is not set up yet.

    Raises `InputError`, naming the nearest known type, if there is no layer type of that name.
    """
    if proto.type not in _TYPES:
        raise InputError(unknown_layer(proto, _TYPES))
    if proto.type in _VARIANTS and _VARIANTS[proto.type][0](proto):
        return _VARIANTS[proto.type][1](proto, phase)
    return _TYPES[proto.type](proto, phase)


class Param:
    """A parameter that a layer declares: its shape and the FillerParameter that initializes it.

    Without `filler` the values start at zero, as in Caffe. With `learned=False` no solver changes
    it (BatchNorm's statistics).
    """

    def __init__(
        self,
        shape: Sequence[int],
        filler: pb.FillerParameter | None = None,
        learned: bool = True,
    ) -> None:
        self.shape, self.filler, self.learned = tuple(shape), filler, learned


class Layer:
    """Base of all layer types.

    Attributes: `proto` (LayerParameter), `name`, `type`, `phase`, `blobs` (the layer's parameters
    as Blobs, in Caffe's order, filled in by the net), and, once `fit` was called, `fitted`, the
    shapes of the tops for the current bottoms.
    """

    type: str = ""
    bottoms: tuple[int, int | None] = (1, 1)  # fewest and most bottoms; None: any number
    tops: tuple[int, int | None] = (1, 1)
    is_loss: bool = False  # its first top has loss weight 1 unless the prototxt sets another
    differentiable: bool = True
    label_bottoms: tuple[int, ...] = ()  # indices of bottoms that no gradient flows into
    fixed_tops: bool = False  # set-up decides the tops' shapes, not the bottoms (data, inputs)
    # Its output is memory of its own that its gradient does not need: a layer that works in place
    # on it may overwrite it.
    output_is_free: bool = False
    can_overwrite: bool = False  # it has `overwrite` and `gradient_of_overwritten`
    inputs_are_free: bool = False  # its gradient needs none of its bottoms' values
    adds_up: bool = False  # its top is the sum of its two bottoms
    is_cheap: bool = False  # unless it learns, its top is computed again rather than kept
    # Of a net in a lower precision: "lower", whatever its bottoms are ("any"), or float32 ("exact")
    arithmetic: str = "exact"
    is_random: bool = False  # `forward` draws random numbers
    is_repeatable: bool = True  # `forward` may run twice on one batch, with `repeats` set
    repeats: bool = False  # the batch is that of the last `forward`: statistics stay as they are
    least_axes: int = 0  # that each of its bottoms must have
    fitted: list[Shape]

    def __init__(self, proto: pb.LayerParameter, phase: int) -> None:
        self.proto, self.phase, self.name = proto, phase, proto.name
        self.device, self.lower = core.current_device(), core.lower_precision()
        self.blobs = core.BlobVec(self.device)

    @property
    def public(self) -> object:
        """What pycaffe shows as this layer: itself, or the object of a layer written in Python."""
        return self

    @contextlib.contextmanager
    def repeating(self) -> Iterator[None]:
        """Let `forward`, run meanwhile for the last batch, leave running statistics alone."""
        self.repeats = True
        try:
            yield
        finally:
            self.repeats = False

    def meet(self, net: pb.NetParameter) -> None:
        """Look at the net that this layer is in, with its splits, before it is set up."""

    def setup(self, shapes: Shapes) -> list[Param]:
        """Read the prototxt, given the bottoms' shapes; return the declared `Param`s."""
        return []

    def require_values(self, shapes: Shapes) -> None:
        """Refuse bottoms of too few axes, and those whose items hold nothing."""
        for name, shape in zip(self.proto.bottom, shapes):
            if len(shape) < self.least_axes or 0 in shape[1:]:
                found = "no values per item" if 0 in shape[1:] else "no axis"
                raise self.error(f'its bottom "{name}" has shape {tuple(shape)}: {found}.')

    def check(self, shapes: Shapes) -> None:
        """Raise `InputError` if bottoms of these shapes do not fit what was set up."""

    def top_shapes(self, shapes: Shapes) -> list[Shape]:
        """Return the tops' shapes for bottoms of these shapes, by the rules in `caffeformat`.

        Raises `InputError` if the bottoms do not fit the layer.
        """
        if self.type in LOSSES:
            # Where all bottoms' shapes are known, all tops' are.
            return cast("list[Shape]", loss_shapes(self.proto, shapes))
        if not shapes:
            return SOURCES[self.type](self.proto)
        return RULES[self.type](self.proto, shapes)

    def takes(self, shape: Sequence[int], blob_shape: Sequence[int]) -> bool:
        """Whether values of `shape` in a weights file fit a parameter of `blob_shape`."""
        return tuple(shape) == tuple(blob_shape)

    def reshape(self, bottom: object, top: object) -> None:
        """Refuse: pycaffe's layers have this method, but here the net manages all shapes."""
        raise self.error(
            "a single layer cannot be reshaped; reshape a blob and call net.reshape()."
        )

    def fit(self, shapes: Shapes) -> list[Shape]:
        """Check bottoms of these shapes; set and return `fitted`, the shapes of the tops."""
        self.require_values(shapes)
        self.check(shapes)
        self.fitted = self.top_shapes(shapes)
        return self.fitted

    def compute(self, bottoms: Tensors, params: Tensors) -> Tensors:
        """Run `forward` in the precision of the net."""
        dtype = self.dtype
        if dtype is None:
            return self.forward(bottoms, params)
        bottoms, params = [x.to(dtype) for x in bottoms], [x.to(dtype) for x in params]
        if self.is_native:
            return self.forward(bottoms, params)
        tops = self.forward([x.float() for x in bottoms], [x.float() for x in params])
        return [top.to(dtype) for top in tops]

    @functools.cached_property
    def dtype(self) -> torch.dtype | None:
        """The type of number that it computes with, or None where that is its bottoms'."""
        if self.lower is None or self.arithmetic == "any":
            return None
        return self.lower if self.arithmetic == "lower" else torch.float32

    @functools.cached_property
    def is_native(self) -> bool:
        """Whether the device multiplies numbers of that type by itself."""
        return self.dtype is None or core.is_native(self.dtype, self.device.type)

    def compute_with_gradient(
        self, bottoms: Tensors, params: Tensors, needs: Sequence[bool]
    ) -> tuple[torch.Tensor, Gradient] | None:
        """Run `compute`; return the only top and what computes its gradients.

        `needs` says of each bottom, then of each parameter, whether its gradient is needed. None,
        and nothing was computed: autograd has to differentiate `compute`.
        """
        return None

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        """Compute the tops from the bottoms, which must not be changed, and the parameters."""
        raise NotImplementedError

    def overwrite(self, x: torch.Tensor) -> None:
        """Turn the bottom `x` into the top, in its own memory (if `can_overwrite`)."""
        raise NotImplementedError

    def gradient_of_overwritten(self, top: torch.Tensor, diff: torch.Tensor) -> torch.Tensor:
        """Compute the bottom's gradient from the top and its diff (if `can_overwrite`)."""
        raise NotImplementedError

    # for subclasses

    def new_tensor(self, shape: Sequence[int]) -> torch.Tensor:
        """Allocate an uninitialized float32 tensor of `shape` on the device of this layer's net."""
        return torch.empty(tuple(shape), device=self.device)

    def error(self, problem: str) -> InputError:
        """Make an `InputError` whose message names this layer."""
        return InputError(f'layer "{self.name}" ({self.type}): {problem}')

    def misfit(self, what: str, shapes: Shapes) -> InputError:
        """Make an `InputError` about `what` (such as "its weights are for") and a first bottom."""
        return self.error(
            f'{what}, but its bottom "{self.proto.bottom[0]}" has shape {tuple(shapes[0])}.'
        )

    def require_channels(self, shapes: Shapes, channels: int, what: str) -> None:
        """Refuse a first bottom of other than `channels` channels; `what` is made for them."""
        if shapes[0][1:2] != (channels,):
            raise self.misfit(f"{what} are for {channels} channels", shapes)

    def canonical_axis(self, axis: int, shape: Shape, field: str = "axis") -> int:
        """Turn `axis`, which may count from the end, into an index into `shape`; refuse others."""
        if not -len(shape) <= axis < len(shape):
            raise self.error(f"{field} is {axis}, but its bottom has shape {tuple(shape)}.")
        return axis % len(shape)

    def require_index(
        self, index: torch.Tensor, classes: int, values: torch.Tensor, bottom: str
    ) -> None:
        """Refuse an `index` outside 0 .. classes - 1.

        `values` is what the blob named `bottom` holds, for the message.
        """
        if not index.numel():
            return
        low, high = (int(bound) for bound in index.aminmax())
        if low < 0 or high >= classes:
            wrong = low if low < 0 else high
            found = values.reshape(-1)[(index.reshape(-1) == wrong).nonzero()[0, 0]].item()
            if self.proto.type in _CHOOSING:
                raise self.error(
                    f'its bottom "{bottom}" holds the index {found:g}, but only 0 to {classes - 1} '
                    "are valid here."
                )
            ignores = self.proto.type in _IGNORING
            raise self.error(
                f'its bottom "{bottom}" holds the label {found:g}, but only 0 to {classes - 1} are '
                f"valid here ({classes} classes)."
                + " If it marks pixels to ignore, set ignore_label."
                * ignores
            )


class ManualLayer(Layer):
    """A layer that works on Blobs and brings its own backward (Split, Parameter, Python)."""

    is_repeatable = False

    def connect(self, bottoms: Sequence[Blob], tops: Sequence[Blob]) -> None:
        """Receive the Blobs, once, after `setup`; may add to `self.blobs`."""

    def reshape_blobs(self, bottoms: Sequence[Blob], tops: Sequence[Blob]) -> None:
        """Give the tops their shapes (at set-up, and before every forward)."""
        for top, shape in zip(tops, self.fit([bottom.shape for bottom in bottoms])):
            top.reshape(*shape)

    def forward_blobs(self, bottoms: Sequence[Blob], tops: Sequence[Blob]) -> None:
        """Compute the tops' data from the bottoms'."""
        raise NotImplementedError

    def backward_blobs(
        self, tops: Sequence[Blob], propagate_down: Sequence[bool], bottoms: Sequence[Blob]
    ) -> None:
        """Compute, from the tops' diffs, the diff of each bottom whose `propagate_down` is set."""
        raise NotImplementedError
