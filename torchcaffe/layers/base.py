"""What a layer is, and the register of layer types.

A layer type is a small class that reads its parameters once (`setup`), says what shapes it takes
and gives (`check`, `top_shapes`), and computes its tops from its bottoms with torch functions
(`forward`). Gradients are autograd's. What Caffe shows of a layer, its blobs, diffs, sharing and
the order of things, is the net's business.
"""

import difflib

import torch

from caffeformat import InputError
from caffeformat.forks import fork_titles, layer_forks
from caffeformat.shape_rules import LOSSES, RULES, SOURCES, loss_shapes

from .. import device

_TYPES = {}


def register(name):
    """Class decorator: this class is what `type: "<name>"` means in a prototxt."""

    def enter(cls):
        cls.type = name
        _TYPES[name] = cls
        return cls

    return enter


def layer_type_list():
    """The names of all layer types, sorted."""
    return sorted(_TYPES)


def create(proto, phase):
    """The layer that LayerParameter `proto` asks for, not yet set up.

    Raises `InputError` with the nearest known type where there is none of that name.
    """
    if proto.type not in _TYPES:
        forks = layer_forks(proto.type)
        if forks:
            raise InputError(
                f'layer "{proto.name}": "{proto.type}" is a layer of the fork '
                f"{fork_titles(forks, 'or')} of Caffe that does not run here. Use that fork for "
                "this net, or take the layer, and what needs it, out of the prototxt (for features "
                "and scores, the layers up to it will do)."
            )
        near = difflib.get_close_matches(proto.type, _TYPES, 1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise InputError(
            f'layer "{proto.name}": there is no layer type "{proto.type}".{hint} '
            f"Known types: {', '.join(layer_type_list())}."
        )
    return _TYPES[proto.type](proto, phase)


class Param:
    """A parameter that a layer declares: its shape and the FillerParameter it starts from.

    Without `filler` the values start at zero, as in Caffe. With `learned=False` no solver changes
    it (BatchNorm's statistics).
    """

    def __init__(self, shape, filler=None, learned=True):
        self.shape, self.filler, self.learned = tuple(shape), filler, learned


class Layer:
    """Base of all layer types.

    Attributes: `proto` (LayerParameter), `name`, `type`, `phase`, `blobs` (the layer's parameters
    as Blobs, in Caffe's order; the net fills it in), and from `fit` on `fitted`, the shapes of the
    tops for the bottoms at hand.
    """

    type = ""
    bottoms = (1, 1)  # fewest and most bottoms; None: any number
    tops = (1, 1)
    is_loss = False  # its first top has loss weight 1 unless the prototxt says otherwise
    differentiable = True
    label_bottoms = ()  # bottoms that no gradient flows into
    fixed_tops = False  # the tops' shapes are settled at set-up, not by bottoms (data, inputs)
    # Its output is memory of its own that its gradient does not need: a layer that works in place
    # on it may overwrite it.
    output_is_free = False
    can_overwrite = False  # it has `overwrite` and `gradient_of_overwritten`

    def __init__(self, proto, phase):
        self.proto, self.phase, self.name = proto, phase, proto.name
        self.blobs = []
        self.device = device.current()

    @property
    def public(self):
        """What pycaffe shows as this layer: itself, or the object of a layer written in Python."""
        return self

    def setup(self, shapes):
        """Read the prototxt, given the bottoms' shapes; return the declared `Param`s."""
        return []

    def check(self, shapes):
        """Raise `InputError` where bottoms of these shapes do not fit what was set up."""

    def top_shapes(self, shapes):
        """The tops' shapes for bottoms of these shapes, by the rules in `caffeformat`.

        Raises `InputError` where they do not fit.
        """
        if self.type in LOSSES:
            return loss_shapes(self.proto, shapes)
        if not shapes:
            return SOURCES[self.type](self.proto)
        return RULES[self.type](self.proto, shapes)

    def takes(self, shape, blob_shape):
        """Whether values of `shape` in a weights file fill a parameter of `blob_shape`."""
        return tuple(shape) == tuple(blob_shape)

    def reshape(self, bottom, top):
        """Refused: pycaffe's layers have it, but here shapes are the net's business."""
        raise self.error(
            "a layer is not reshaped by itself; reshape a blob and call net.reshape()."
        )

    def fit(self, shapes):
        """Check bottoms of these shapes, and set `fitted`, the shapes of the tops."""
        self.check(shapes)
        self.fitted = self.top_shapes(shapes)
        return self.fitted

    def forward(self, bottoms, params):
        """Compute the tops, a sequence of tensors, from tensors; must not change the bottoms."""
        raise NotImplementedError

    def overwrite(self, x):
        """Change `x` into the top, in its own memory (where `can_overwrite`)."""
        raise NotImplementedError

    def gradient_of_overwritten(self, top, diff):
        """The bottom's gradient from the top and its diff (where `can_overwrite`)."""
        raise NotImplementedError

    # for subclasses

    def new_tensor(self, shape):
        """A float32 tensor of `shape`, not filled, where this layer's net lives."""
        return torch.empty(shape, device=self.device)

    def error(self, problem):
        """An `InputError` that says which layer it is about."""
        return InputError(f'layer "{self.name}" ({self.type}): {problem}')

    def canonical_axis(self, axis, shape, field="axis"):
        """`axis`, which may count from the end, as an index into `shape`; refuses others."""
        if not -len(shape) <= axis < len(shape):
            raise self.error(f"{field} is {axis}, but its bottom has shape {tuple(shape)}.")
        return axis % len(shape)

    def require_index(self, index, classes, values, bottom):
        """Refuse an `index` tensor outside 0 .. classes - 1; `values` is what the bottom holds."""
        if not index.numel():
            return
        low, high = (int(bound) for bound in index.aminmax())
        if low < 0 or high >= classes:
            wrong = low if low < 0 else high
            found = values.reshape(-1)[(index.reshape(-1) == wrong).nonzero()[0, 0]].item()
            raise self.error(
                f'its bottom "{bottom}" holds the label {found:g}, but only 0 to {classes - 1} are '
                f"valid here ({classes} classes). If it marks pixels to ignore, set ignore_label."
            )


class ManualLayer(Layer):
    """A layer that works on Blobs and brings its own backward (Split, Parameter, Python)."""

    def connect(self, bottoms, tops):
        """Meet the Blobs, once, after `setup`; may add to `self.blobs`."""

    def reshape_blobs(self, bottoms, tops):
        """Give the tops their shapes (at set-up, and before every forward)."""
        for top, shape in zip(tops, self.fit([bottom.shape for bottom in bottoms])):
            top.reshape(*shape)

    def forward_blobs(self, bottoms, tops):
        """Compute the tops' data from the bottoms'."""
        raise NotImplementedError

    def backward_blobs(self, tops, propagate_down, bottoms):
        """Compute the diff of each bottom whose `propagate_down` holds from the tops' diffs."""
        raise NotImplementedError
