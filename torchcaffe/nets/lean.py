"""Forward pass that keeps only the blobs that were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchcaffe.core import Blob

from .fusion import FusedNormalization
from .step import Step

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from torchcaffe.layers import ManualLayer


def forward_lean(steps: list[Step], outputs: Collection[str]) -> dict[str, NDArray[np.float32]]:
    """Run `steps` forward; returns name -> array for the blobs named in `outputs`.

    Layers that no output depends on are left out. A value is freed as soon as no later layer needs
    it, and the net's own blobs, except its inputs, are left as they were.
    """
    used, wanted = [], set(outputs)
    for step in reversed(steps):
        if wanted.intersection(step.top_names):
            used.append(step)
            wanted.update(step.bottom_names)
    turns = _with_pairs_fused(used[::-1])
    last_use = {name: turn for turn in turns for name in turn.bottom_names}
    values: dict[str, torch.Tensor] = {}
    for turn in turns:
        bottoms = [values[name] for name in turn.bottom_names]
        tops: Sequence[torch.Tensor]
        if isinstance(turn, Step) and turn.manual is not None:
            tops = _on_blobs(turn, turn.manual, bottoms)
        else:
            tops = turn.compute(bottoms)
        del bottoms
        values.update(zip(turn.top_names, (top.detach() for top in tops)))
        for name in {*turn.bottom_names, *turn.top_names}:
            if last_use.get(name) in (turn, None) and name not in outputs:
                del values[name]
    return {name: values[name].float().cpu().numpy() for name in outputs}


def _with_pairs_fused(steps: list[Step]) -> list[Step | FusedNormalization]:
    """`steps`, with each BatchNorm and its Scale replaced by what fuses them, if both are there."""
    fused: list[Step | FusedNormalization] = []
    for step in steps:
        pair = step.fused
        if (
            isinstance(pair, FusedNormalization)
            and step is pair.scale
            and fused
            and fused[-1] is pair.norm
        ):
            fused[-1] = pair
        else:
            fused.append(step)
    return fused


def _on_blobs(
    step: Step, layer: ManualLayer, bottoms: list[torch.Tensor]
) -> Sequence[torch.Tensor]:
    """Return the tops of a layer that works on Blobs, which are lent for this one call."""
    if layer.type == "Split":
        return bottoms * len(step.tops)
    if not bottoms:
        step.forward()
        return [blob.tensor() for blob in step.tops]
    lent = []
    for blob, tensor in zip(step.bottoms, bottoms):
        lent.append(Blob(tensor.shape, blob.device))
        lent[-1].set_data(tensor)
    tops = [Blob(device=blob.device) for blob in step.tops]
    layer.reshape_blobs(lent, tops)
    layer.forward_blobs(lent, tops)
    return [blob.tensor() for blob in tops]
