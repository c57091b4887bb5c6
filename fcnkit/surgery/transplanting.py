"""Net surgery on files: moves the weights of one network into another, without an engine.

    source = read_caffemodel("bvlc_alexnet.caffemodel")
    target = filter_net(read_net("deploy.prototxt"), pb.TEST)
    result = transplant(source, target)
    write_caffemodel("fcn_alexnet.caffemodel", result.weights, target)

Blobs are matched by layer name and index. Equal shapes are copied; another shape with the same
number of values is coerced, which is how a fully connected layer becomes the convolution that
computes the same (4096 x 9216 over a 256 x 6 x 6 bottom is 4096 x 256 x 6 x 6), and back. Blobs
without a source get the fillers of the target's text. Arrays are views of the source file wherever
nothing has to be computed, so that 500 MB of weights are never held twice.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caffeformat import InputError, Weights, listed, reading
from caffeformat.files import open_text
from caffeformat.messages import layer_keys
from caffeformat.weights import arranged_blobs
from fcnkit.nets import (
    bilinear_kernel,
    can_interpolate,
    fill,
    interpolation_weights,
    net_parameters,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Optional

    from numpy.typing import NDArray

    from caffeformat import pb
    from fcnkit.nets import Parameter

    # The arrays of one layer; None stands for a blob that a file left out.
    Arrays = Sequence[Optional[NDArray[Any]]]

__all__ = ["Step", "Transplant", "bilinear_kernel", "check_fit", "name_map", "transplant"]

# Public FCN-AlexNet weights were trained with the number of classes in their layers' names.
_listing = functools.partial(listed, most=40, none="no layers with parameters")
_CLASS_SUFFIX = re.compile(r"_\d+classes$")


@dataclass(frozen=True)
class Step:
    """What happened to one blob; `str(step)` is its line in the log."""

    # copying, coercing, dropping, filling or sharing
    action: str
    # The layers; no source if filling, perhaps no target if dropping; if sharing, whose values
    source: str | None
    target: str | None
    # The blob's place in its layer
    index: int
    source_shape: tuple[int, ...] | None
    target_shape: tuple[int, ...] | None
    # Why it is dropped, or what it is filled with
    reason: str | None

    def __str__(self) -> str:
        if self.action == "copying":
            return f"copying {self.source} -> {self.target} {self.index}"
        if self.action == "coercing":
            names = self.source if self.source == self.target else f"{self.source} -> {self.target}"
            return f"coercing {names} {self.index} from {self.source_shape} to {self.target_shape}"
        if self.action == "sharing":
            return f"sharing {self.target} {self.index} with {self.source}"
        name = self.source if self.action == "dropping" else self.target
        joint = ":" if self.action == "dropping" else " with"
        return f"{self.action} {name} {self.index}{joint} {self.reason}"


class Transplant(NamedTuple):
    """The outcome of a transplant."""

    # For every layer of the target
    weights: Weights
    # What happened to each blob, in order
    steps: list[Step]

    @property
    def moved(self) -> list[Step]:
        """The steps that moved weights."""
        return [step for step in self.steps if step.action in ("copying", "coercing")]

    @property
    def filled(self) -> list[Step]:
        """The steps for the target's blobs that got nothing from the source."""
        return [step for step in self.steps if step.action == "filling"]


def name_map(entries: Iterable[str]) -> dict[str, str]:
    """Read a map {target layer: source layer} from `SOURCE=TARGET` entries or files of such lines.

    A file holds one pair per line, `SOURCE=TARGET` or `SOURCE TARGET`; `#` starts a comment. One
    source may feed several targets (`conv1_1=conv1_1color`, `conv1_1=conv1_1hha`). Raises
    `InputError` for an entry that is neither, and for a target that is named twice.
    """
    names: dict[str, str] = {}
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


def _pairs_of(entry: str) -> list[tuple[str, str]]:
    """(where it stands, text) of each pair in an entry."""
    if not os.path.isfile(entry):
        if "=" not in entry:
            raise InputError(f"name map {entry}: neither a file nor SOURCE=TARGET")
        return [("name map", entry)]
    with reading(entry, "is not a list of names in UTF-8"), open_text(entry) as file:
        lines = [line.split("#", 1)[0].strip() for line in file]
    return [(f"{entry}:{number}", line) for number, line in enumerate(lines, 1) if line]


def transplant(
    source: Weights,
    net: pb.NetParameter,
    names: Mapping[str, str] | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    seed: int = 0,
) -> Transplant:
    """Move the weights of `source` into the layers of `net`.

    net: the target, filtered to the layers it has; names: {target layer: source layer} where they
    differ (see `name_map`), otherwise layers of the same name match, or of the name with the suffix
    `_<n>classes` that public weights carry (of layers of one name the first matches the first, and
    so on, under keys such as `conv#2`); input_shapes: shapes of blobs that the net's text does
    not give, as for `caffeformat.infer_shapes`; seed: of the random fillers.

    Blobs without a source get the values of a layer that shares the parameter (`param { name }`),
    else their filler, or zeros if none is named, as in Caffe; a Deconvolution that never learns
    (lr_mult 0) and names no filler gets bilinear interpolation, as it would stay zero forever.
    Raises `InputError` if names of the map do not exist or nothing at all was moved.
    """
    layers = net_parameters(net, input_shapes)
    keys = layer_keys(layer.name for layer, _ in layers)
    origin = _match(source, keys, names or {})
    random = np.random.RandomState(seed)
    steps, weights = [], Weights(name=net.name)
    fitted = []
    shared: dict[str, tuple[str, NDArray[Any]]] = {}
    for key, (layer, wanted) in zip(keys, layers):
        name = origin.get(key)
        have: Arrays = arranged_blobs(layer, source[name]) if name else []
        arrays, moves = _fit_layer(name, have, key, wanted)
        fitted.append((arrays, moves))
        for spec, array in zip(layer.param, arrays):
            if spec.name and array is not None:
                shared.setdefault(spec.name, (key, array))
    for key, (layer, wanted), (arrays, moves) in zip(keys, layers, fitted):
        steps += moves
        full = []
        for index, (array, blob) in enumerate(zip(arrays, wanted)):
            place = layer.param[index].name if index < len(layer.param) else ""
            if array is None and place in shared and shared[place][1].size == np.prod(blob.shape):
                # Caffe loads both into one place, so that the last would win.
                owner, array = shared[place]
                steps.append(Step("sharing", owner, key, index, array.shape, blob.shape, None))
                array = array.reshape(blob.shape)
            elif array is None:
                array, how = _start(layer, index, blob, random)
                steps.append(Step("filling", None, key, index, None, blob.shape, how))
                if place:
                    shared[place] = key, array
            full.append(array)
        weights[key] = full
        weights.types[key] = layer.type
    for name in source:
        if name not in origin.values():
            reason = f"no layer takes it in {net.name or 'the target'}"
            steps += _drop_all(name, source[name], 0, reason)
    result = Transplant(weights, steps)
    if not result.moved:
        raise InputError(_nothing_moved(source, layers, steps))
    return result


def check_fit(weights: Weights, net: pb.NetParameter, weights_name: str, net_name: str) -> None:
    """Raise `InputError` unless `weights` hold every parameter of the filtered `net`.

    Shapes may differ as those of Caffe's releases do, and as those of convolutions and inner
    products, but not so that a value would be another's: 1 x 7 kernels are not those of 7 x 1.

    weights_name, net_name: what the message calls the two, usually their paths.
    """
    problems = []
    layers = net_parameters(net)
    keys = layer_keys(layer.name for layer, _ in layers)
    for key, (layer, blobs) in zip(keys, layers):
        arrays = arranged_blobs(layer, weights.get(key, []))
        shapes = [array.shape for array in arrays if array is not None]
        fitting = [_is_same_order(shape, blob.shape) for shape, blob in zip(shapes, blobs)]
        if len(shapes) != len(blobs) or not all(fitting):
            wanted = " ".join(str(blob.shape) for blob in blobs)
            found = " ".join(map(str, shapes)) or "nothing"
            problems.append(f"layer {key}: expected {wanted}, found {found}")
    if problems:
        raise InputError(
            f"{weights_name} does not hold the weights of {net_name}:\n  " + "\n  ".join(problems)
        )


def _is_same_order(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether an array of the shape `found` holds values for `wanted` in the same order."""
    if found == wanted or np.prod(found) != np.prod(wanted):
        return found == wanted
    vectors = all(max(shape, default=1) == np.prod(shape) for shape in (found, wanted))
    if len(found) == len(wanted):
        return vectors and max(wanted[2:], default=1) == 1  # not of kernels of one channel
    # Old files have four axes for everything.
    found, wanted = (shape[2:] if shape[:2] == (1, 1) else shape for shape in (found, wanted))
    matrix = 2 in (len(found), len(wanted)) and found[:1] == wanted[:1]
    return found == wanted or vectors or matrix


def _match(source: Weights, targets: Sequence[str], names: Mapping[str, str]) -> dict[str, str]:
    """{target layer: source layer} for every target that has a source."""
    for target, wanted in names.items():
        if wanted not in source:
            raise InputError(
                f"name map: the weights have no layer {wanted}; they have {_listing(source)}"
            )
        if target not in targets:
            raise InputError(
                f"name map: the target network has no layer {target} with parameters; it has "
                f"{_listing(targets)}"
            )
    public = {_CLASS_SUFFIX.sub("", name): name for name in source if _CLASS_SUFFIX.search(name)}
    origin = {}
    for target in targets:
        own = target if target in source else public.get(target)
        name: str | None = names.get(target, own)
        if name is not None:
            origin[target] = name
    return origin


def _fit_layer(
    source: str | None, have: Arrays, target: str, wanted: Sequence[Parameter]
) -> tuple[list[NDArray[Any] | None], list[Step]]:
    """An array or None for each wanted blob of the layer `target`, and the steps that explain them.

    have: the arrays of the layer `source`.
    """
    arrays: list[NDArray[Any] | None] = []
    steps: list[Step] = []
    for index, blob in enumerate(wanted):
        array = have[index] if index < len(have) else None
        if array is not None:
            array, step = _fit(array, blob.shape, source, target, index)
            steps.append(step)
        arrays.append(array)
    plural = "" if len(wanted) == 1 else "s"
    reason = f"{target} has {len(wanted)} blob{plural}"
    return arrays, steps + _drop_all(source, have, len(wanted), reason)


def _fit(
    array: NDArray[Any], shape: tuple[int, ...], source: str | None, target: str, index: int
) -> tuple[NDArray[Any] | None, Step]:
    """The source's array in the target's shape (a view) or None, and the step that explains it."""
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


def _drop(
    source: str | None,
    index: int,
    array: NDArray[Any],
    reason: str,
    target: str | None = None,
    shape: tuple[int, ...] | None = None,
) -> Step:
    return Step("dropping", source, target, index, array.shape, shape, reason)


def _drop_all(source: str | None, arrays: Arrays, first: int, reason: str) -> list[Step]:
    """Steps that drop the arrays of the layer `source` from index `first` on."""
    return [
        _drop(source, index, array, reason)
        for index, array in enumerate(arrays)
        if index >= first and array is not None
    ]


def _size(shape: Sequence[int]) -> str:
    return f"{int(np.prod(shape))} values {tuple(shape)}"


def _start(
    layer: pb.LayerParameter, index: int, blob: Parameter, random: np.random.RandomState
) -> tuple[NDArray[np.float32], str]:
    """The array that a blob without a source starts with, and what to call it."""
    if blob.filler is not None:
        try:
            array = fill(blob.filler, blob.shape, random)
        except InputError as error:
            raise error.prefixed(f"layer {layer.name}") from error
        value = f" {blob.filler.value:g}" if blob.filler.type == "constant" else ""
        return array, blob.filler.type + value
    fixed = index < len(layer.param) and layer.param[index].lr_mult == 0
    if layer.type == "Deconvolution" and fixed and can_interpolate(blob.shape):
        return interpolation_weights(blob.shape), "bilinear interpolation (fixed, no filler)"
    return np.zeros(blob.shape, np.float32), "zeros (no filler)"


def _nothing_moved(
    source: Weights,
    layers: Iterable[tuple[pb.LayerParameter, list[Parameter]]],
    steps: Iterable[Step],
) -> str:
    misfits = [str(step) for step in steps if step.action == "dropping" and step.target]
    if misfits:
        return "no blob of the weights fits the target network:\n  " + "\n  ".join(misfits)
    return (
        "no layer of the weights has a counterpart in the target network\n"
        f"  the weights have: {_listing(source)}\n"
        f"  the target has: {_listing([layer.name for layer, _ in layers])}\n"
        "  layers match by name; where names differ, pass a name map of SOURCE=TARGET pairs"
    )
