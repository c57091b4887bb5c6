"""How much memory a net's blobs take, and a refusal before the machine runs out of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError, available_memory, geometry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caffeformat import pb

_FLOAT = 4  # bytes


def blob_bytes(
    net: pb.NetParameter, input_shapes: Mapping[str, tuple[int, ...]], lean: bool = False
) -> int:
    """Bytes of the blobs of a filtered `net` whose inputs have `input_shapes` (by name).

    All blobs count, or with `lean` the most that are in use at one time when each is freed after
    the last layer that reads it. Weights and an engine's buffers come on top.
    """
    shapes = geometry.infer_shapes(net, input_shapes)
    sizes = {name: _FLOAT * int(np.prod(shape)) for name, shape in shapes.items()}
    if not lean:
        return sum(sizes.values())
    last_use = {name: turn for turn, layer in enumerate(net.layer) for name in layer.bottom}
    in_use: set[str] = set()
    most = 0
    for turn, layer in enumerate(net.layer):
        in_use.update(layer.top)
        most = max(most, sum(sizes[name] for name in in_use))
        in_use.difference_update(b for b in layer.bottom if last_use[b] == turn)
    return most


def check_memory(
    net: pb.NetParameter,
    input_shapes: Mapping[str, tuple[int, ...]],
    name: str,
    lean: bool = False,
) -> None:
    """Raise `InputError` where the blobs of `net` for the image `name` exceed the free memory.

    `input_shapes` holds one input of N x C x H x W; `lean` as in `blob_bytes`. The error advises
    a smaller batch, or for a single image a smaller one, or windows of it.
    """
    free = available_memory()
    if free is None:
        return
    needed = blob_bytes(net, input_shapes, lean)
    if needed <= free:
        return
    count, _, height, width = next(iter(input_shapes.values()))
    share = 0.8 * free / needed
    images = "" if count == 1 else f"{count} images of "
    pixels = "" if count > 1 else " pixels"
    problem = (
        f"{name}: {images}{width}x{height}{pixels} need about {needed / 2**30:.1f} GiB for the "
        f"net's blobs, but {free / 2**30:.1f} GiB are free: pass "
    )
    if int(count * share) > 0 and count > 1:
        raise InputError(problem + "{option}", option="batch", value=int(count * share))
    side = int(max(height, width) * math.sqrt(share))
    window = int(math.sqrt(height * width * share))
    raise InputError(
        problem + "{scale_to|window|a smaller image}", options={"scale_to": side, "window": window}
    )
