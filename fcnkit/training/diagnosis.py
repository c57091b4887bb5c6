"""Why a network does not learn: layers that start at zero, predictions that stay at one class."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import listed
from caffeformat.messages import distinct_layers
from fcnkit import engine, nets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from caffeformat import pb
    from fcnkit.engine import Net
    from fcnkit.inference import ConfusionMatrix

    from .log import Outputs


# Layers whose first blob multiplies their input: while it is zero, nothing gets through.
_listing = functools.partial(listed, most=5)
_WEIGHTED = ("Convolution", "Deconvolution", "InnerProduct", "Embed")

_FILL = (
    "give them a weight_filler, start from trained weights, or have them filled (fill: xavier or "
    "msra)"
)


def zero_layers(net: Net, message: pb.NetParameter) -> list[str]:
    """Return the names of the layers of `net` (a pycaffe Net) whose weights are all zero now.

    `message` describes the net, filtered. In Caffe, layers without a filler start at zero.
    """
    params = engine.layer_params(net)
    return [
        layer.name
        for layer in distinct_layers(message).layer
        if layer.type in _WEIGHTED
        and layer.name in params
        and not np.any(params[layer.name][0].data)
    ]


def stuck_layers(message: pb.NetParameter, zero: Iterable[str]) -> list[str]:
    """Return those of the all-zero layers `zero` that can never learn.

    A layer's weights change only if its input carries information and a gradient comes back to it.
    The output of a zero layer carries none, and no gradient passes through it. So a single zero
    layer below a loss learns, as FCN's scoring layer does after surgery; two in a row do not, nor
    does a zero layer with `lr_mult: 0`.
    """
    zero, message = set(zero), distinct_layers(message)
    while True:
        learning = _learning(message, zero)
        if not learning:
            return [layer.name for layer in message.layer if layer.name in zero]
        zero -= learning


def _learning(message: pb.NetParameter, zero: set[str]) -> set[str]:
    """Return the layers of `zero` whose weights change in a step that starts with `zero` at zero.

    `blank` blobs carry no information; `informed` layers have a bottom that does.
    """
    blank: set[str] = set()
    informed: set[str] = set()
    for layer in message.layer:
        # The second bottom of a Crop only gives a size.
        inputs = layer.bottom[:1] if layer.type == "Crop" else layer.bottom
        is_uninformed = bool(inputs) and all(bottom in blank for bottom in inputs)
        if not is_uninformed:
            informed.add(layer.name)
        if is_uninformed or layer.name in zero:
            blank.update(layer.top)
        else:
            blank.difference_update(layer.top)
    reached: set[str] = set()
    learning: set[str] = set()
    for layer in reversed(message.layer):
        if not layer.type.endswith("Loss") and not any(top in reached for top in layer.top):
            continue
        if layer.name not in zero:
            reached.update(layer.bottom)
        elif layer.name in informed and not _is_fixed(layer):
            learning.add(layer.name)
    return learning


def _is_fixed(layer: pb.LayerParameter) -> bool:
    return bool(layer.param) and layer.param[0].lr_mult == 0


def silent_layers(net: Net, message: pb.NetParameter) -> list[str]:
    """Return the names of the layers whose weights get no gradient at all, from one batch.

    It is the batch that the net has just seen: another one would be missing in the training run. If
    all its labels are ignored, or a layer has overwritten it, nothing can be said, and the list is
    empty. Overwrites the diffs of the parameters; a solver clears them before its next step.
    """
    params = engine.layer_params(net)
    learned = [
        layer.name
        for layer in distinct_layers(message).layer
        if layer.type in _WEIGHTED and layer.name in params and not _is_fixed(layer)
    ]
    sources = nets.data_layers(message)
    batch = {top for layer in sources for top in layer.top}
    if _is_ignored(net, message) or any(
        batch & set(layer.top) & set(layer.bottom) for layer in message.layer
    ):
        return []
    for name in learned:
        # After a step it holds the update, with momentum and weight decay.
        params[name][0].diff[...] = 0
    names = {layer.name for layer in sources}
    for index, name in enumerate(net._layer_names):
        if name not in names:
            net._forward(index, index)
    net.backward()
    return [name for name in learned if not np.any(params[name][0].diff)]


def _is_ignored(net: Net, message: pb.NetParameter) -> bool:
    """Whether the loss ignores every label of the batch that `net` has just seen."""
    head = nets.head(message)
    if head is None or head.ignore is None or head.label not in net.blobs:
        return False
    return bool(np.all(net.blobs[head.label].data == head.ignore))


def describe_zero_layers(zero: Sequence[str], stuck: Sequence[str]) -> list[str]:
    """Return sentences about the layers `zero` that start at zero.

    `stuck` are those of them that cannot learn (see `stuck_layers`).
    """
    texts = []
    alone = [name for name in zero if name not in stuck]
    if alone:
        texts.append(
            f"{_listing(alone)} start at zero, which is Caffe's default without a filler; they "
            "learn from the first step on, the layers below them from the second"
        )
    if stuck:
        texts.append(
            f"{_listing(stuck)} start at zero and cannot learn, because they pass on only zeros in "
            f"both directions: {_FILL}"
        )
    return texts


def broken_layers(net: Net) -> list[str]:
    """Return the names of the layers of `net` whose parameters hold NaN or infinity."""
    return [
        name
        for name, blobs in engine.layer_params(net).items()
        if not all(np.isfinite(blob.data).all() for blob in blobs)
    ]


def describe_broken_outputs(outputs: Outputs, net: Net) -> str | None:
    """Return a sentence about a test with outputs that are NaN or infinite, None where none are.

    `outputs` holds (name, values, loss weight) per output blob of `net`.
    """
    names = [name for name, values, _ in outputs if not np.isfinite(values).all()]
    if not names:
        return None
    broken = broken_layers(net)
    where = (
        f"the parameters of {_listing(broken)} hold NaN or inf"
        if broken
        else "all parameters are finite, so the values overflow inside the net"
    )
    return (
        f"{_listing(names)} of the validation net is not a number, so its scores are meaningless: "
        f"{where}"
    )


def is_collapsed(matrix: ConfusionMatrix) -> bool:
    """Return whether only one class was predicted although the labels hold several."""
    return len(matrix.predicted_classes) == 1 and len(matrix.labelled_classes) > 1


def explain_collapse(
    matrix: ConfusionMatrix,
    names: Sequence[str] = (),
    stuck: Sequence[str] = (),
    silent: Sequence[str] = (),
    unmatched: Sequence[str] = (),
    loss: float | None = None,
) -> str:
    """Explain why predictions may stay at one class: one line per reason, likeliest first.

    `is_collapsed(matrix)` must hold; `stuck`, `silent` and `unmatched` are layer names from
    `stuck_layers`, `silent_layers` and `copy_weights`; `loss` is the running loss per pixel.
    Reasons that the evidence rules out are left out.
    """
    winner = int(matrix.predicted_classes[0])
    name = names[winner] if winner < len(names) else f"class {winner}"
    reasons = []
    if stuck:
        return _lines(
            f"every pixel is predicted as {name}",
            [
                f"{_listing(stuck)} hold only zeros and cannot learn, so the scores are the same "
                f"everywhere: {_FILL}"
            ],
        )
    if unmatched:
        reasons.append(
            f"the caffemodel has no weights for {_listing(unmatched)}, which started from their "
            "fillers: compare the layer names, or transplant with net_surgery"
        )
    if silent:
        reasons.append(
            f"no gradient reaches {_listing(silent)}: a layer between them and the loss lets "
            "nothing through (zero weights, dead ReLUs, lr_mult 0)"
        )
    if loss is not None and not math.isfinite(loss):
        reasons.append(f"the loss is {loss}: training has diverged, lower base_lr")
    prior = prior_entropy(matrix)
    if loss is not None and loss > 1.5 * prior:
        reasons.append(
            f"the loss ({loss:.3g}) is higher than if the net guessed by class frequency alone "
            f"({prior:.3g}): the learning rate is too high (lower base_lr), or the mean subtracted "
            "from the input is not the one the weights expect"
        )
    share = label_shares(matrix)[winner]
    if share > 0.5:
        reasons.append(
            f"{100 * share:.0f}% of the labelled pixels are {name}, and always predicting that is "
            "the first thing a network learns: it may need more iterations or a higher base_lr"
        )
    if not reasons:
        reasons.append(
            "the network may need more iterations, or a base_lr ten times higher or lower; look "
            "at the loss curve: flat means too low, jumping means too high"
        )
    return _lines(f"every pixel is predicted as {name}", reasons)


def _lines(head: str, reasons: Iterable[str]) -> str:
    return "\n".join([f"{head}:"] + [f"  - {reason}" for reason in reasons])


def label_shares(matrix: ConfusionMatrix) -> NDArray[np.float64]:
    """Return the share of each class among the counted label pixels."""
    counts = matrix.counts.sum(1)
    return counts / max(counts.sum(), 1)


def prior_entropy(matrix: ConfusionMatrix) -> float:
    """Return the entropy (in nats) of the classes' shares: the loss of guessing by frequency."""
    shares = label_shares(matrix)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
