"""ONNX models for images of one size, for runtimes that plan better or only with known sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffeformat import InputError, infer_shapes
from caffeformat.exchange import needed_net, value_graph
from fcnkit.runtimes import takes_shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffeformat import pb


def fix_size(
    model: Any, net: pb.NetParameter, size: tuple[int, int], outputs: Sequence[str] | None = None
) -> None:
    """Declare that `model`, what `to_onnx` made of `net`, takes one image of `size` at a time.

    `size` is (height, width); the free axes of the inputs and the shapes of the outputs become
    numbers. Raises `InputError` where the net takes no images of that size.
    """
    net = needed_net(net, outputs)
    graph = value_graph(net, outputs)
    shapes = infer_shapes(net)
    wanted = {name: (1, shapes[name][1], *size) for name in graph.inputs if len(shapes[name]) == 4}
    if not wanted or not takes_shapes(net, wanted):
        raise InputError(
            f"the net takes no images of {size[0]}x{size[1]}: "
            + "; ".join(f"{name} is {' x '.join(map(str, shapes[name]))}" for name in graph.inputs)
        )
    for value in model.graph.input:
        axes = value.type.tensor_type.shape.dim
        # Images are H x W x channels. Axes may be numbers, of a net that takes some sizes alone.
        is_image = len(axes) == 3 and list(wanted) == list(graph.inputs)
        if is_image:
            fixed = {0: size[0], 1: size[1]}
        else:
            fixed = {0: 1, 2: size[0], 3: size[1]} if len(axes) == 4 else {0: 1}
        for place, length in fixed.items() if len(axes) > 1 else ():
            axes[place].dim_value = length
    found = infer_shapes(net, wanted)
    for value, name in zip(model.graph.output, graph.outputs):
        axes = value.type.tensor_type.shape.dim
        if len(axes) == len(found[name]):  # a class map has other axes, and none declared
            for axis, length in zip(axes, found[name]):
                axis.dim_value = length
