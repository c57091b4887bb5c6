"""Edit a caffemodel: more classes, other channels, names, kernels; BatchNorm folded away."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from caffeformat import (
    FormatError,
    InputError,
    Weights,
    atomic_write,
    filter_net,
    format_text,
    infer_shapes,
    pb,
    read_caffemodel,
    read_net,
    write_caffemodel,
)
from caffeformat.messages import distinct_layers
from fcnkit.surgery import (
    check_fit,
    convolutionalize,
    fold_batch_norm,
    grow_outputs,
    rename,
    to_convolution,
    to_inner_product,
    transplant,
    widen_inputs,
    without_padding,
)

from .arguments import basics, network
from .printing import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any, Callable, Optional

    from numpy.typing import NDArray

    from .arguments.basics import CommandParser

    Arrays = Sequence[NDArray[Any]]
    # What an edit makes: the weights, their net if it changes, and lines to print
    Edited = tuple[Weights, Optional[pb.NetParameter], list[str]]
    Edit = Callable[[Weights, argparse.Namespace], Edited]


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    edits = parser.add_subparsers(title="edits", metavar="EDIT", required=True)
    edit = _edit(edits, "grow", _grow, "give a score layer more classes, which start at zero")
    edit.input.option("layer", "a Convolution or InnerProduct", "LAYER")
    edit.input.option("classes", "number of outputs after the edit", "CLASSES", int)
    edit.input.option(
        "--places", "new indices of the old classes, from 0", "I,J,...", otherwise="they come first"
    )
    _add_net(edit)
    edit = _edit(edits, "channels", _channels, "give a convolution more or fewer input channels")
    edit.input.option("layer", "a Convolution, such as conv1", "LAYER")
    edit.input.option(
        "channels",
        "number of channels; added ones get the average of the old ones, and if there are fewer "
        "than before, all of them do",
        "CHANNELS",
        int,
    )
    _add_net(edit)
    edit = _edit(edits, "rename", _rename, "rename layers")
    edit.input.option("names", "pair such as conv1=conv1_rgb", "OLD=NEW", nargs="+")
    edit = _edit(edits, "convolution", _convolution, "turn an inner product into a convolution")
    edit.input.option("layer", "an InnerProduct, such as fc6", "LAYER")
    edit.input.option("kernel", "size of the feature map that it reads", "HxW")
    edit = _edit(edits, "inner_product", _inner_product, "turn a convolution into an inner product")
    edit.input.option("layer", "a Convolution whose kernel covers all that it reads", "LAYER")
    _add_net(edit)
    for name, run_edit, text in (
        ("fold", _fold, "fold BatchNorm and Scale layers into the convolutions before them"),
        ("convolutionalize", _convolutionalize, "let a classifier score every window of an image"),
    ):
        edit = _edit(edits, name, run_edit, text)
        network.add_net(edit.input, "net", what="network of the weights:")
        edit.output.option("output_net", "prototxt to write", "OUTPUT_NET")
    edit.options.flag(
        "--no-padding",
        "compute each score from its window alone: no layer pads, branches are cropped",
    )


def run(args: argparse.Namespace) -> None:
    """Edit the weights and write them, with their net if that changes."""
    targets = [args.output, *([args.output_net] if "output_net" in args else [])]
    if len({os.path.abspath(path) for path in targets}) < len(targets):
        raise InputError(f"{args.output}: weights and prototxt need names of their own")
    basics.refuse_existing(args, *targets)
    weights, net, done = args.edit(read_caffemodel(args.weights), args)
    if net is None:
        write_caffemodel(args.output, weights)
    else:
        # The prototxt is complete under another name before the weights get theirs, so that the two
        # files always belong together.
        with atomic_write(args.output_net, "w") as file:
            file.write(format_text(net))
            file.flush()
            write_caffemodel(args.output, weights, net)
    for line in done:
        say(line)
    say(f"wrote {' and '.join(targets)}")


def _edit(
    edits: argparse._SubParsersAction[CommandParser], name: str, run_edit: Edit, text: str
) -> CommandParser:
    """Add the parser of one edit."""
    edit = edits.add_parser(name, help=text, description=text)
    edit.input.option("weights", f"weights to edit: {network.WEIGHTS}", "WEIGHTS")
    basics.add_output_position(edit, "caffemodel to write")
    basics.add_force(edit)
    edit.set_defaults(edit=run_edit)
    return edit


def _add_net(edit: CommandParser) -> None:
    network.add_net(
        edit.network,
        "--net",
        what="network of the weights:",
        otherwise="none; the weights then tell a layer's groups",
    )


def _grow(weights: Weights, args: argparse.Namespace) -> Edited:
    places = None if args.places is None else _numbers(args.places)
    return _change(weights, args, lambda arrays: grow_outputs(arrays, args.classes, places))


def _channels(weights: Weights, args: argparse.Namespace) -> Edited:
    return _change(weights, args, lambda arrays: widen_inputs(arrays, args.channels))


def _convolution(weights: Weights, args: argparse.Namespace) -> Edited:
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", args.kernel)
    if not match:
        raise InputError(f"kernel {args.kernel!r}: expected HxW, such as 6x6")
    kernel = int(match.group(1)), int(match.group(2))
    return _change(weights, args, lambda arrays: to_convolution(arrays, kernel), "Convolution")


def _inner_product(weights: Weights, args: argparse.Namespace) -> Edited:
    return _change(weights, args, to_inner_product, "InnerProduct")


def _rename(weights: Weights, args: argparse.Namespace) -> Edited:
    pairs = [name.split("=") for name in args.names]
    wrong = [name for name, pair in zip(args.names, pairs) if len(pair) != 2 or not all(pair)]
    if wrong:
        raise InputError(f"expected OLD=NEW, found {wrong[0]!r}")
    names = dict(pairs)
    if len(names) < len(pairs):
        raise InputError(f"{' '.join(args.names)}: a layer would get two names")
    return rename(weights, names), None, [f"{old} -> {new}" for old, new in names.items()]


def _fold(weights: Weights, args: argparse.Namespace) -> Edited:
    net = _checked(weights, args)
    made, folded = fold_batch_norm(net, weights)
    kept = {layer.name for layer in made.layer}
    gone = [layer.name for layer in net.layer if layer.name not in kept]
    return folded, made, [f"folded {', '.join(gone) or 'nothing'}"]


def _convolutionalize(weights: Weights, args: argparse.Namespace) -> Edited:
    net, lines = _checked(weights, args), []
    if args.no_padding:
        net = without_padding(net)
        window = " x ".join(map(str, next(iter(infer_shapes(net).values()))[2:]))
        crops = sum(layer.type == "Crop" for layer in net.layer)
        lines = [f"no layer pads ({crops} crops): a score is computed from {window} pixels"]
    made = convolutionalize(net)
    result = transplant(weights, made)
    lines += [str(step) for step in result.steps if step.action != "copying"]
    return result.weights, made, lines


def _checked(weights: Weights, args: argparse.Namespace) -> pb.NetParameter:
    path = network.net_path(args.net)
    net = distinct_layers(filter_net(read_net(path), pb.TEST, stages=["deploy"]))
    check_fit(weights, net, args.weights, path)
    return net


def _change(
    weights: Weights,
    args: argparse.Namespace,
    change: Callable[[Arrays], Arrays],
    kind: str | None = None,
) -> Edited:
    """Change the arrays of the layer `args.layer`, and its type to `kind`."""
    name = args.layer
    if name not in weights:
        raise InputError(f"no layer {name} in the weights; they have {', '.join(weights)}")
    before = weights[name]
    if weights.types.get(name) == "Deconvolution" or not before or before[0] is None:
        raise InputError(
            f"layer {name}: only Convolution and InnerProduct layers can be edited like this; "
            "net_surgery --target fills upsampling layers anew"
        )
    if before[0].ndim < 2:
        raise InputError(f"layer {name}: weights of shape {before[0].shape} are not kernels")
    notes = []
    if before[0].ndim > 2 and "net" in args:
        notes = _check_groups(args)
    edited = Weights(weights, weights.name, dict(weights.types))
    edited[name] = list(change(before))
    if kind and name in edited.types:
        edited.types[name] = kind
    after = edited[name]
    return edited, None, [f"{name}: {before[0].shape} -> {after[0].shape}", *notes]


def _check_groups(args: argparse.Namespace) -> list[str]:
    """Refuse a convolution of several groups; returns lines to print if their number is unknown."""
    group = None
    net = network.net_path(args.net) if args.net else None
    for path in filter(None, (net, args.weights)):
        group = _groups_in(path, args.layer) if group is None else group
    if group is None:
        return [f"{args.layer}: assumed to have one group, as neither the weights nor --net say"]
    if group > 1:
        raise InputError(
            f"layer {args.layer} has {group} groups, each of which reads channels of its own, so "
            "channels or outputs would move to other groups; only convolutions of one group can be "
            "edited like this"
        )
    return []


def _groups_in(path: str, name: str) -> int | None:
    """The groups of a convolution in the net at `path`, None if the file does not give them."""
    if path.endswith(".h5"):
        return None
    try:
        net = read_net(path)
    except FormatError:
        if path.endswith(".prototxt"):
            raise
        return None  # a fork numbers the fields beside the weights in its own way
    for layer in distinct_layers(net).layer:
        if layer.name == name and layer.HasField("convolution_param"):
            return layer.convolution_param.group
    return None


def _numbers(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise InputError(f"--places {text}: expected whole numbers, as in 0,2,3") from None
