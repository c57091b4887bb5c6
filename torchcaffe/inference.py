"""A forward pass that keeps nothing but what was asked for."""

from .blob import Blob


def forward_lean(steps, outputs):
    """Run `steps` forward; returns name -> array for the blobs named in `outputs`.

    Layers whose tops nobody asked for, directly or not, are left out. A value is freed as soon as
    no later layer needs it, and the net's own blobs, but for its inputs, are left as they were.
    """
    used, wanted = [], set(outputs)
    for step in reversed(steps):
        if wanted.intersection(step.top_names):
            used.append(step)
            wanted.update(step.bottom_names)
    used = _with_pairs_fused(used[::-1])
    last_use = {name: step for step in used for name in step.bottom_names}
    values = {}
    for step in used:
        bottoms = [values[name] for name in step.bottom_names]
        tops = _on_blobs(step, bottoms) if step.manual else step.compute(bottoms)
        del bottoms
        values.update(zip(step.top_names, (top.detach() for top in tops)))
        for name in {*step.bottom_names, *step.top_names}:
            if last_use.get(name) in (step, None) and name not in outputs:
                del values[name]
    return {name: values[name].cpu().numpy() for name in outputs}


def _with_pairs_fused(steps):
    """`steps`, with what stands for a BatchNorm and its Scale where both are there."""
    fused = []
    for step in steps:
        pair = step.fused
        if pair is not None and fused and step is pair.scale and fused[-1] is pair.norm:
            fused[-1] = pair
        else:
            fused.append(step)
    return fused


def _on_blobs(step, bottoms):
    """The tops of a layer that works on Blobs, which are lent for this one call."""
    if step.layer.type == "Split":
        return bottoms * len(step.tops)
    if not bottoms:
        step.forward()
        return [blob.tensor() for blob in step.tops]
    lent = []
    for blob, tensor in zip(step.bottoms, bottoms):
        lent.append(Blob(tensor.shape, blob.device))
        lent[-1].set_data(tensor)
    tops = [Blob(device=blob.device) for blob in step.tops]
    step.layer.reshape_blobs(lent, tops)
    step.layer.forward_blobs(lent, tops)
    return [blob.tensor() for blob in tops]
