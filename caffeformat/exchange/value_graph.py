"""A net as a graph of values, for writing it in another form.

Caffe's blobs are places that layers may overwrite, while most other forms have values that are
computed once. Here every top of a layer is a value with its own name, and Split layers are gone. Of
all values that a blob held, the last one has the blob's name (of an overwritten input, the first).
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, NamedTuple

from caffeformat.errors import InputError
from caffeformat.geometry import RULES
from caffeformat.messages import distinct_layers, has_scale_and_bias, without_layers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from caffeformat.messages import pb

    Shape = tuple[int, ...]

    # A blob's name and which of the values it held, from 0
    Value = tuple[str, int]


class Node(NamedTuple):
    """A layer with the names of the values it uses and computes."""

    layer: pb.LayerParameter
    inputs: list[str]
    outputs: list[str]


class Graph(NamedTuple):
    """What a net computes: names of its inputs, its `Node`s in order, names of its outputs."""

    inputs: list[str]
    nodes: list[Node]
    outputs: list[str]


# Layers whose tops are not outputs of a deployed net; losses are the others.
_NOT_OUTPUTS = ("Accuracy", "SegAccuracy", "Silence")


def value_graph(net: pb.NetParameter, outputs: Iterable[str] | None = None) -> Graph:
    """The `Graph` of `net`, a current NetParameter already filtered for its phase.

    Keeps what the blobs `outputs` need; by default these are the blobs that no layer uses, except
    losses and accuracies. Layers that share a name have their keys for names (`conv#2`, see
    `keys_of_layers`). Raises `InputError` for a missing blob and if a value comes from a data
    layer, which has no place in a deployed net.
    """
    values: dict[str, Value] = {}
    nodes: list[tuple[pb.LayerParameter, list[Value], list[Value]]] = []
    writers: collections.defaultdict[str, list[str]] = collections.defaultdict(list)
    inputs: list[str] = []
    unused: dict[str, None] = {}
    for layer in distinct_layers(net).layer:
        missing = [name for name in layer.bottom if name not in values]
        if missing:
            raise InputError(f'layer "{layer.name}": no layer before it makes "{missing[0]}"')
        bottoms = [values[name] for name in layer.bottom]
        for name in layer.bottom:
            unused.pop(name, None)
        if layer.type == "Input":
            inputs += layer.top
        if layer.type == "Split":
            values.update((top, bottoms[0]) for top in layer.top)
            unused.update(dict.fromkeys(layer.top))
            continue
        made = [(top, len(writers[top])) for top in layer.top]
        for top, value in zip(layer.top, made):
            writers[top].append(layer.name)
            values[top] = value
            if layer.type not in _NOT_OUTPUTS and "Loss" not in layer.type:
                unused[top] = None
        nodes.append((layer, bottoms, made))

    names: dict[Value, str] = {}

    def name_of(value: Value) -> str:
        blob, turn = value
        if turn == (0 if blob in inputs else len(writers[blob]) - 1):
            return blob
        if value not in names:
            name = f"{blob}.{writers[blob][turn]}"
            while name in writers or name in names.values():  # another blob may have this name
                name += "_"
            names[value] = name
        return names[value]

    given = {(name, 0) for name in inputs}
    computed = [top for top in unused if values[top] not in given]
    wanted = computed if outputs is None else list(outputs)
    for name in wanted:
        if name not in values:
            raise InputError(f'there is no blob "{name}"; there are {", ".join(values)}')
    if not wanted:
        silent = [name for layer in net.layer if layer.type == "Silence" for name in layer.bottom]
        if silent:
            raise InputError(
                "the net has no output: every blob is used by a layer or is a loss; "
                f"{', '.join(silent)} goes into a Silence layer: pass {{option}} to have it",
                option="blob",
                value=silent[0],
            )
        raise InputError("the net has no output: every blob is used by a layer or is a loss")
    needed = {values[name] for name in wanted}
    used: list[tuple[pb.LayerParameter, list[Value], list[Value]]] = []
    for layer, bottoms, made in reversed(nodes):
        if needed.intersection(made):
            needed.update(bottoms)
            used.append((layer, bottoms, made))
    kept = [
        Node(layer, [*map(name_of, bottoms)], [*map(name_of, made)])
        for layer, bottoms, made in reversed(used)
    ]
    sources = [node for node in kept if node.layer.type == "Input"]
    return Graph(
        [name for node in sources for name in node.outputs],
        [node for node in kept if node.layer.type != "Input"],
        [name_of(values[name]) for name in wanted],
    )


def needed_net(net: pb.NetParameter, outputs: Iterable[str] | None = None) -> pb.NetParameter:
    """A copy of `net` with the layers alone that its `value_graph` for `outputs` keeps.

    Split layers of the values that these layers use stay, too.
    """
    graph = value_graph(net, outputs)
    names = {node.layer.name for node in graph.nodes}
    made = set(graph.inputs)
    result = without_layers(net)
    for layer in distinct_layers(net).layer:
        is_split = layer.type == "Split" and layer.bottom[0] in made
        if layer.name in names or is_split or (layer.type == "Input" and made & {*layer.top}):
            result.layer.add().CopyFrom(layer)
            made.update(layer.top)
    return result


def bottom_shapes(graph: Graph, shapes: Mapping[str, Shape]) -> dict[str, list[Shape]]:
    """Name of a layer of `graph` -> the shapes of its bottoms when it runs.

    `shapes` are those of all blobs, as `infer_shapes` returns them: of a blob that a layer gives
    another shape in place, as MVN may, the last one.
    """
    held = {name: shapes[name] for name in graph.inputs}
    found = {}
    for node in graph.nodes:
        bottoms = [held[name] for name in node.inputs]
        found[node.layer.name] = bottoms
        rule = RULES.get(node.layer.type)
        tops = rule(node.layer, bottoms) if rule else [shapes[blob] for blob in node.layer.top]
        held.update(zip(node.outputs, tops))
    return found


def scales_of_norms(graph: Graph) -> dict[str, pb.LayerParameter]:
    """Name of a BatchNorm layer -> the Scale layer that is the only user of its output.

    The Scale works per channel. In other frameworks, such a pair is one batch normalization with
    weight and bias.
    """
    users: collections.defaultdict[str, list[Node]] = collections.defaultdict(list)
    for node in graph.nodes:
        for name in node.inputs:
            users[name].append(node)
    pairs: dict[str, pb.LayerParameter] = {}
    for node in graph.nodes:
        is_norm = node.layer.type == "BatchNorm" and not has_scale_and_bias(node.layer)
        if not is_norm or node.outputs[0] in graph.outputs:
            continue
        after = users[node.outputs[0]]
        if len(after) == 1 and _scales_channels(after[0]):
            pairs[node.layer.name] = after[0].layer
    return pairs


def _scales_channels(node: Node) -> bool:
    p = node.layer.scale_param
    return (
        node.layer.type == "Scale"
        and len(node.inputs) == 1
        and (p.axis, p.num_axes) == (1, 1)
        and p.bias_term
    )
