"""A net as a graph of values, for whoever writes it in another form.

Caffe's blobs are places that layers may write over; most other forms know values that are made
once. Here every layer's tops are values with names of their own, Split layers are gone, and of all
values that a blob held, the last one has the blob's name (of an input that is overwritten, the
first).
"""

import collections

from caffeformat.errors import InputError

Node = collections.namedtuple("Node", "layer inputs outputs")
Node.__doc__ = """A layer (LayerParameter) with the names of the values it takes and makes."""

Graph = collections.namedtuple("Graph", "inputs nodes outputs")
Graph.__doc__ = """What a net computes: names of its inputs, its `Node`s in order, names of its
outputs."""

# Layers that learn or are judged, and have no place where a net is only used.
_JUDGES = ("Accuracy", "Silence")


def value_graph(net, outputs=None):
    """The `Graph` of `net`, a current NetParameter already filtered for its phase.

    Keeps what the blobs `outputs` need; by default those are the blobs that no layer uses, losses
    and accuracies aside. Raises `InputError` where there is no such blob and where a value comes
    from a data layer, which has no place in a deployed net.
    """
    values, nodes, writers = {}, [], collections.defaultdict(list)
    inputs, unused = [], {}
    for layer in net.layer:
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
        node = Node(layer, bottoms, [(top, len(writers[top])) for top in layer.top])
        for top, value in zip(layer.top, node.outputs):
            writers[top].append(layer.name)
            values[top] = value
            if layer.type not in _JUDGES and "Loss" not in layer.type:
                unused[top] = None
        nodes.append(node)

    names = {}

    def name_of(value):
        blob, turn = value
        if turn == (0 if blob in inputs else len(writers[blob]) - 1):
            return blob
        if value not in names:
            name = f"{blob}.{writers[blob][turn]}"
            while name in writers or name in names.values():  # another blob may be called so
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
        raise InputError("the net has no output: every blob is used by a layer or is a loss")
    needed = {values[name] for name in wanted}
    kept = []
    for node in reversed(nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    kept = [
        Node(node.layer, [*map(name_of, node.inputs)], [*map(name_of, node.outputs)])
        for node in reversed(kept)
    ]
    sources = [node for node in kept if node.layer.type == "Input"]
    return Graph(
        [name for node in sources for name in node.outputs],
        [node for node in kept if node.layer.type != "Input"],
        [name_of(values[name]) for name in wanted],
    )


def scales_of_norms(graph):
    """Name of a BatchNorm layer -> the Scale layer that alone uses its output, channel by channel.

    Such a pair is one batch normalization with weight and bias in other frameworks.
    """
    users = collections.defaultdict(list)
    for node in graph.nodes:
        for name in node.inputs:
            users[name].append(node)
    pairs = {}
    for node in graph.nodes:
        if node.layer.type != "BatchNorm" or node.outputs[0] in graph.outputs:
            continue
        after = users[node.outputs[0]]
        if len(after) == 1 and _scales_channels(after[0]):
            pairs[node.layer.name] = after[0].layer
    return pairs


def _scales_channels(node):
    p = node.layer.scale_param
    return (
        node.layer.type == "Scale"
        and len(node.inputs) == 1
        and (p.axis, p.num_axes) == (1, 1)
        and p.bias_term
    )
