"""What rewriting asks of nodes (NodeProto)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..onnx_writer import onnx

if TYPE_CHECKING:
    from collections.abc import Iterable


class Windows(NamedTuple):
    """The windows of a node over an image; each field has one number for height and for width."""

    extent: tuple[int, ...]  # pixels from a window's first to its last
    stride: tuple[int, ...]
    before: tuple[int, ...]  # padding
    behind: tuple[int, ...]


def attributes(node: Any) -> dict[str, Any]:
    """The attributes of `node`: name -> value."""
    value = onnx().helper.get_attribute_value
    return {attribute.name: value(attribute) for attribute in node.attribute}


def windows_of(node: Any) -> Windows | None:
    """The windows of a convolution or pooling; None where it is not over height and width."""
    found = attributes(node)
    kernel = found.get("kernel_shape", ())
    if len(kernel) != 2:
        return None
    dilations, pads = found.get("dilations", (1, 1)), found.get("pads", (0, 0, 0, 0))
    extent = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations))
    stride = tuple(found.get("strides", (1, 1)))
    return Windows(extent, stride, tuple(pads[:2]), tuple(pads[2:]))


def consumers(nodes: Iterable[Any]) -> dict[str, list[Any]]:
    """The nodes that read a value: value -> nodes, once for each input."""
    found: dict[str, list[Any]] = {}
    for node in nodes:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found
