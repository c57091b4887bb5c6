"""Why a network does not learn: layers that start at zero, predictions that stay at one class."""

import math

import numpy as np

# Layers whose first blob multiplies their input: while it is zero, nothing gets through.
_WEIGHTED = ("Convolution", "Deconvolution", "InnerProduct", "Embed")


def zero_layers(net, message):
    """Names of the layers of `net` (a pycaffe Net) whose weights are all zero now.

    `message` is the net's NetParameter, filtered. Layers without a filler start so in Caffe.
    """
    return [
        layer.name
        for layer in message.layer
        if layer.type in _WEIGHTED
        and layer.name in net.params
        and not np.any(net.params[layer.name][0].data)
    ]


def stuck_layers(message, zero):
    """Those of the layers `zero` that can never learn.

    A layer's weights move only if its input says something and a gradient comes back to it. What
    a zero layer puts out says nothing, and no gradient passes through it. So a single zero layer
    under a loss learns, as FCN's scoring layer does after surgery; two in a row do not, nor does
    a zero layer with `lr_mult: 0`.
    """
    zero = set(zero)
    while True:
        learning = _learning(message, zero)
        if not learning:
            return [layer.name for layer in message.layer if layer.name in zero]
        zero -= learning


def _learning(message, zero):
    """The layers of `zero` whose weights change in a step in which all of `zero` are zero."""
    blank, hearing = set(), set()
    for layer in message.layer:
        # The second bottom of a Crop gives a size and nothing else.
        inputs = layer.bottom[:1] if layer.type == "Crop" else layer.bottom
        is_deaf = bool(inputs) and all(bottom in blank for bottom in inputs)
        if not is_deaf:
            hearing.add(layer.name)
        if is_deaf or layer.name in zero:
            blank.update(layer.top)
        else:
            blank.difference_update(layer.top)
    reached, learning = set(), set()
    for layer in reversed(message.layer):
        if not layer.type.endswith("Loss") and not any(top in reached for top in layer.top):
            continue
        if layer.name not in zero:
            reached.update(layer.bottom)
        elif layer.name in hearing and not _is_fixed(layer):
            learning.add(layer.name)
    return learning


def _is_fixed(layer):
    return bool(layer.param) and layer.param[0].lr_mult == 0


def silent_layers(net, message):
    """Names of the layers whose weights get no gradient at all, found by a pass over one batch.

    Parameter diffs are overwritten; a solver clears them before its next step.
    """
    learned = [
        layer.name
        for layer in message.layer
        if layer.type in _WEIGHTED and layer.name in net.params and not _is_fixed(layer)
    ]
    for name in learned:
        # After a step it holds the update, with momentum and weight decay.
        net.params[name][0].diff[...] = 0
    net.forward()
    net.backward()
    return [name for name in learned if not np.any(net.params[name][0].diff)]


def describe_zero_layers(zero, stuck):
    """What to tell about layers that start at zero: a list of sentences.

    `stuck` are those of them that cannot learn (`stuck_layers`).
    """
    texts = []
    alone = [name for name in zero if name not in stuck]
    if alone:
        texts.append(
            f"{_listing(alone)} start at zero, as Caffe does without a filler; they learn from the "
            "first step on, what lies below them from the second"
        )
    if stuck:
        texts.append(
            f"{_listing(stuck)} start at zero and cannot learn, as what they pass on is zero in "
            "both directions: give them a weight_filler, start from --weights, or say --fill "
            "xavier or --fill msra"
        )
    return texts


def broken_layers(net):
    """Names of the layers of `net` whose parameters hold values that are no numbers (NaN, inf)."""
    return [
        name
        for name, blobs in net.params.items()
        if not all(np.isfinite(blob.data).all() for blob in blobs)
    ]


def describe_broken_outputs(outputs, net):
    """What to tell about a test whose outputs are no numbers, or None where they all are.

    `outputs` is a list of (name, values, loss weight), `net` the net that gave them.
    """
    names = [name for name, values, _ in outputs if not np.isfinite(values).all()]
    if not names:
        return None
    broken = broken_layers(net)
    where = (
        f"the parameters of {_listing(broken)} hold NaN or inf"
        if broken
        else ("no parameter does so, so the values run over inside the net")
    )
    return (
        f"{_listing(names)} of the validation net is not a number, and its scores mean nothing: "
        f"{where}"
    )


def is_collapsed(matrix):
    """Whether a `ConfusionMatrix` saw one class predicted for labels of several."""
    return len(matrix.predicted_classes) == 1 and len(matrix.labelled_classes) > 1


def explain_collapse(matrix, names=(), stuck=(), silent=(), unmatched=(), loss=None):
    """Why predictions may stay at one class: a text with a line for each reason, likeliest first.

    `matrix` is a `ConfusionMatrix` for which `is_collapsed` holds; `stuck`, `silent` and
    `unmatched` are layer names from `stuck_layers`, `silent_layers` and `weights.copy_weights`;
    `loss` is the running loss per pixel. Reasons that the evidence rules out are left away.
    """
    winner = int(matrix.predicted_classes[0])
    name = names[winner] if winner < len(names) else f"class {winner}"
    reasons = []
    if stuck:
        return _lines(
            f"every pixel is predicted as {name}",
            [
                f"{_listing(stuck)} hold only zeros and cannot learn, so the scores are the same "
                "everywhere: give them a weight_filler, start from --weights, or say --fill "
                "xavier or --fill msra"
            ],
        )
    if unmatched:
        reasons.append(
            f"{_listing(unmatched)} found no weights of their name in the caffemodel and started "
            "from their fillers: compare the layer names, or transplant with net_surgery"
        )
    if silent:
        reasons.append(
            f"no gradient reaches {_listing(silent)}: a layer between them and the loss lets "
            "nothing through (zero weights, dead ReLUs, lr_mult 0)"
        )
    if loss is not None and not math.isfinite(loss):
        reasons.append(f"the loss is {loss}: the training has diverged, lower base_lr")
    prior = prior_entropy(matrix)
    if loss is not None and loss > 1.5 * prior:
        reasons.append(
            f"the loss ({loss:.3g}) is above that of guessing by how common the classes are "
            f"({prior:.3g}): the learning rate is too high (lower base_lr), or inputs are not "
            "shifted as the weights expect (mean)"
        )
    share = label_shares(matrix)[winner]
    if share > 0.5:
        reasons.append(
            f"{100 * share:.0f}% of the labelled pixels are {name}, and always answering so is the "
            "first thing a network learns: it may need more iterations or a higher base_lr"
        )
    if not reasons:
        reasons.append(
            "the network may need more iterations, or a base_lr ten times higher or lower; look "
            "at the loss curve: flat means too low, jumping means too high"
        )
    return _lines(f"every pixel is predicted as {name}", reasons)


def _lines(head, reasons):
    return "\n".join([f"{head}:"] + [f"  - {reason}" for reason in reasons])


def _listing(names, most=5):
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def label_shares(matrix):
    """Share of each class among the counted label pixels of a `ConfusionMatrix`, float64."""
    counts = matrix.counts.sum(1)
    return counts / max(counts.sum(), 1)


def prior_entropy(matrix):
    """Entropy in nats of the classes' shares: the loss of guessing by how common classes are."""
    shares = label_shares(matrix)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
