"""Net surgery on files: the weights of one network moved into another, with no engine.

    source = read_caffemodel("bvlc_alexnet.caffemodel")
    target = filter_net(read_net("deploy.prototxt"), pb.TEST)
    result = transplant(source, target)
    write_caffemodel("fcn_alexnet.caffemodel", result.weights, target)

Blobs are matched by layer name and index. Equal shapes are copied; another shape with the same
number of values is coerced, which is how a fully connected layer becomes the convolution that
computes the same (4096 x 9216 over a 256 x 6 x 6 bottom is 4096 x 256 x 6 x 6), and back. What has
no source is filled as the target's text says. Arrays are views of the source file wherever nothing
has to be computed, so that 500 MB of weights are never held twice.
"""

import collections
import os
import re

import numpy as np

from caffeformat import InputError, Weights

from .fillers import bilinear_kernel, can_interpolate, fill, interpolation_weights
from .parameters import net_parameters

__all__ = ["Step", "Transplant", "bilinear_kernel", "check_fit", "name_map", "transplant"]

# Public FCN-AlexNet weights were trained with the number of classes in their layers' names.
_CLASS_SUFFIX = re.compile(r"_\d+classes$")


class Step(
    collections.namedtuple("Step", "action source target index source_shape target_shape reason")
):
    """What happened to one blob; `str(step)` is its line in the log.

    `action` is copying, coercing, dropping (then `target` or its shape may be None) or filling
    (then `source` is None); shapes are tuples.
    """

    __slots__ = ()

    def __str__(self):
        if self.action == "copying":
            return f"copying {self.source} -> {self.target} {self.index}"
        if self.action == "coercing":
            names = self.source if self.source == self.target else f"{self.source} -> {self.target}"
            return f"coercing {names} {self.index} from {self.source_shape} to {self.target_shape}"
        name = self.source if self.action == "dropping" else self.target
        joint = ":" if self.action == "dropping" else " with"
        return f"{self.action} {name} {self.index}{joint} {self.reason}"


class Transplant(collections.namedtuple("Transplant", "weights steps")):
    """The outcome: `weights` for every layer of the target, and the `steps` in order."""

    __slots__ = ()

    @property
    def moved(self):
        """The steps that brought weights over."""
        return [step for step in self.steps if step.action in ("copying", "coercing")]

    @property
    def filled(self):
        """The steps for the target's blobs that got nothing from the source."""
        return [step for step in self.steps if step.action == "filling"]


def name_map(entries):
    """A map {target layer: source layer} from `SOURCE=TARGET` entries and files of such lines.

    A file holds one pair a line, as `SOURCE=TARGET` or `SOURCE TARGET`; `#` starts a comment. One
    source may feed several targets (`conv1_1=conv1_1color`, `conv1_1=conv1_1hha`). Raises
    `InputError` for an entry that is neither, and for a target that is named twice.
    """
    names = {}
    for entry in entries:
        for place, text in _pairs_of(entry):
            pair = text.replace("=", " ").split()
            if len(pair) != 2:
                raise InputError(f"{place}: expected SOURCE=TARGET, found {text!r}")
            source, target = pair
            if names.get(target, source) != source:
                raise InputError(
                    f"{place}: layer {target} cannot come from both {names[target]} and {source}"
                )
            names[target] = source
    return names


def _pairs_of(entry):
    if not os.path.isfile(entry):
        if "=" not in entry:
            raise InputError(f"name map {entry}: neither a file nor SOURCE=TARGET")
        return [("name map", entry)]
    with open(entry, encoding="utf-8") as file:
        lines = [line.split("#", 1)[0].strip() for line in file]
    return [(f"{entry}:{number}", line) for number, line in enumerate(lines, 1) if line]


def transplant(source, net, names=None, input_shapes=None, seed=0):
    """Move the weights of `source` into the layers of `net`; returns a `Transplant`.

    source: `Weights`; net: the target's `NetParameter`, filtered to the layers it has; names:
    {target layer: source layer} where they differ (see `name_map`), else layers of the same name
    match, or of the name with the suffix `_<n>classes` that public weights carry; input_shapes:
    shapes of blobs that the net's text does not give, as for `caffeformat.geometry.infer_shapes`;
    seed: of the random fillers.

    Blobs left without source get their filler, or zeros where none is named, as in Caffe; a
    Deconvolution that never learns (lr_mult 0) and names no filler gets bilinear interpolation, as
    it would stay zero for ever. Raises `InputError` when names of the map do not exist or nothing
    at all was moved.
    """
    layers = net_parameters(net, input_shapes)
    origin = _match(source, [layer.name for layer, _ in layers], names or {})
    random = np.random.RandomState(seed)
    steps, weights = [], Weights(name=net.name)
    for layer, wanted in layers:
        name = origin.get(layer.name)
        have = source[name] if name else []
        arrays, moves = _fit_layer(name, have, layer.name, wanted)
        steps += moves
        for index, blob in enumerate(wanted):
            if arrays[index] is None:
                arrays[index], how = _start(layer, index, blob, random)
                steps.append(Step("filling", None, layer.name, index, None, blob.shape, how))
        weights[layer.name] = arrays
        weights.types[layer.name] = layer.type
    for name in source:
        if name not in origin.values():
            reason = f"no layer takes it in {net.name or 'the target'}"
            steps += _drop_all(name, source[name], 0, reason)
    result = Transplant(weights, steps)
    if not result.moved:
        raise InputError(_nothing_moved(source, layers, steps))
    return result


def check_fit(weights, net, weights_name, net_name):
    """Raise `InputError` unless every parameter of the filtered `net` is in `weights`, in its size.

    The names are what the message calls the two: their paths.
    """
    problems = []
    for layer, blobs in net_parameters(net):
        shapes = [array.shape for array in weights.get(layer.name, []) if array is not None]
        sizes = [np.prod(shape) for shape in shapes]
        if sizes != [np.prod(blob.shape) for blob in blobs]:
            wanted = " ".join(str(blob.shape) for blob in blobs)
            found = " ".join(map(str, shapes)) or "nothing"
            problems.append(f"layer {layer.name}: expected {wanted}, found {found}")
    if problems:
        raise InputError(
            f"{weights_name} does not hold the weights of {net_name}:\n  " + "\n  ".join(problems)
        )


def _match(source, targets, names):
    """{target layer: source layer} for every target that has a source."""
    for target, name in names.items():
        if name not in source:
            raise InputError(
                f"name map: the weights have no layer {name}; they have {_listing(source)}"
            )
        if target not in targets:
            raise InputError(
                f"name map: the target network has no layer {target} with parameters; it has "
                f"{_listing(targets)}"
            )
    public = {_CLASS_SUFFIX.sub("", name): name for name in source if _CLASS_SUFFIX.search(name)}
    origin = {}
    for target in targets:
        name = names.get(target, target if target in source else public.get(target))
        if name is not None:
            origin[target] = name
    return origin


def _fit_layer(source, have, target, wanted):
    """An array or None for each wanted blob of the layer `target`, and the steps that say why.

    have: the arrays of the layer `source`, where None stands for one that a file left out.
    """
    arrays, steps = [], []
    for index, blob in enumerate(wanted):
        array = have[index] if index < len(have) else None
        if array is not None:
            array, step = _fit(array, blob.shape, source, target, index)
            steps.append(step)
        arrays.append(array)
    plural = "" if len(wanted) == 1 else "s"
    reason = f"{target} has {len(wanted)} blob{plural}"
    return arrays, steps + _drop_all(source, have, len(wanted), reason)


def _fit(array, shape, source, target, index):
    """The source's array in the target's shape (a view) or None, and the step that says so."""
    if array.shape == shape:
        return array, Step("copying", source, target, index, array.shape, shape, None)
    if array.size != np.prod(shape):
        reason = f"{_size(array.shape)} do not fit {_size(shape)}"
        return None, _drop(source, index, array, reason, target, shape)
    if shape[:1] != array.shape[:1]:
        # The values would land in other outputs than they were learned for.
        reason = f"{array.shape} and {shape} hold as many values, but for other numbers of outputs"
        return None, _drop(source, index, array, reason, target, shape)
    step = Step("coercing", source, target, index, array.shape, shape, None)
    return array.reshape(shape), step


def _drop(source, index, array, reason, target=None, shape=None):
    return Step("dropping", source, target, index, array.shape, shape, reason)


def _drop_all(source, arrays, first, reason):
    """Steps that drop the arrays of the layer `source` from index `first` on."""
    return [
        _drop(source, index, array, reason)
        for index, array in enumerate(arrays)
        if index >= first and array is not None
    ]


def _size(shape):
    return f"{int(np.prod(shape))} values {tuple(shape)}"


def _start(layer, index, blob, random):
    """The array a blob without source starts with, and what to call it."""
    if blob.filler is not None:
        try:
            array = fill(blob.filler, blob.shape, random)
        except InputError as error:
            raise InputError(f"layer {layer.name}: {error}") from error
        value = f" {blob.filler.value:g}" if blob.filler.type == "constant" else ""
        return array, blob.filler.type + value
    fixed = index < len(layer.param) and layer.param[index].lr_mult == 0
    if layer.type == "Deconvolution" and fixed and can_interpolate(blob.shape):
        return interpolation_weights(blob.shape), "bilinear interpolation (fixed, no filler)"
    return np.zeros(blob.shape, np.float32), "zeros (no filler)"


def _nothing_moved(source, layers, steps):
    misfits = [str(step) for step in steps if step.action == "dropping" and step.target]
    if misfits:
        return "no blob of the weights fits the target network:\n  " + "\n  ".join(misfits)
    return (
        "no layer of the weights has a counterpart in the target network\n"
        f"  the weights have: {_listing(source)}\n"
        f"  the target has: {_listing([layer.name for layer, _ in layers])}\n"
        "  layers match by name; say SOURCE=TARGET pairs with a name map where names differ"
    )


def _listing(names, most=40):
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "no layers with parameters") + more
