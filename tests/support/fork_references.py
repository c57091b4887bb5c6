"""What layers of Caffe's forks compute, forward and backward, in NumPy and double precision.

Written from the forks' published programs, one function per layer, and not from this project's: a
function gets what the layer gets and returns what a pass leaves behind.
"""

from collections import namedtuple

import numpy as np

from caffeformat import pb

Result = namedtuple("Result", "tops bottom_diffs param_diffs params")
Result.__doc__ = """Arrays after a forward and a backward pass; None stands for the gradient of a
bottom or a parameter that gets none."""


class Pass:
    """The inputs of a pass: phase, bottoms, parameters and tops' diffs; `number` counts batches."""

    def __init__(self, layer, phase, bottoms, params, diffs, number=0):
        self.layer, self.phase, self.number = layer, phase, number
        self.x, self.bottoms = bottoms[0], bottoms
        self.params, self.diffs = [np.array(param) for param in params], diffs


def _channels(values):
    return np.reshape(values, (1, -1, 1, 1))


def _per_channel(values, how=np.mean):
    return how(how(how(values, axis=3), axis=2), axis=0)


def _through_statistics(normalized, diff, deviation):
    """The gradient of (x - mean) / deviation, both of the batch, for the diff of what it gives."""
    with_values = _channels(_per_channel(normalized * diff))
    return (diff - _channels(_per_channel(diff)) - normalized * with_values) / deviation


def segnet_bn(run):
    scale, shift = map(_channels, run.params)
    diff, count = run.diffs[0], len(run.layer.top)
    if run.layer.bn_param.bn_mode == pb.BNParameter.INFERENCE:
        sums = [_per_channel(part, np.sum) for part in (run.x * diff, diff)]
        return Result([run.x * scale + shift], [diff * scale], sums, run.params)
    mean = _channels(_per_channel(run.x))
    variance = _channels(_per_channel(run.x**2)) - mean**2
    deviation = np.sqrt(variance + 1e-9)
    normalized = (run.x - mean) / deviation
    sums = [_per_channel(part, np.sum) for part in (normalized * diff, diff)]
    bottom = _through_statistics(normalized, diff * scale, deviation)
    tops = [normalized * scale + shift, mean, variance][:count]
    return Result(tops, [bottom], sums, run.params)


def pspnet_bn(run):
    """In TEST the gradient is that of what TEST computes; the fork's takes the batch's formula."""
    p, diff = run.layer.bn_param, run.diffs[0]
    slope, bias, stored_mean, stored_variance = map(_channels, run.params)
    stored = p.frozen or run.phase == pb.TEST
    mean, variance = stored_mean, stored_variance
    if not stored:
        mean = _channels(_per_channel(run.x))
        variance = _channels(_per_channel((run.x - mean) ** 2))
        run.params[2] = p.momentum * stored_mean + (1 - p.momentum) * mean
        run.params[3] = p.momentum * stored_variance + (1 - p.momentum) * variance
    deviation = (variance + p.eps) ** 0.5
    normalized = (run.x - mean) / deviation
    top = normalized * slope + bias
    sums = [_per_channel(part, np.sum) for part in (normalized * diff, diff)]
    if p.frozen:
        sums = [None, None]
    if stored:
        bottom = diff * slope / deviation
    else:
        bottom = _through_statistics(normalized, diff * slope, deviation)
    return Result([top], [bottom], [*sums, None, None], run.params)


def nvidia_batch_norm(run):
    """In TEST the gradient is that of what TEST computes, as for `pspnet_bn`."""
    p, diff = run.layer.batch_norm_param, run.diffs[0]
    stored_mean, stored_variance, _, scale, bias = run.params
    eps = max(p.eps, np.float64(1e-5))
    mean, spread = stored_mean, stored_variance + eps
    if run.phase == pb.TRAIN:
        mean = _per_channel(run.x)
        spread = _per_channel((run.x - _channels(mean)) ** 2) + eps
        kept = p.moving_average_fraction if run.number > 1 else 0
        run.params[0] = (1 - kept) * mean + kept * stored_mean
        run.params[1] = (1 - kept) * spread + kept * stored_variance
    deviation = _channels(spread) ** 0.5
    normalized = (run.x - _channels(mean)) / deviation
    sums = [_per_channel(part, np.sum) for part in (normalized * diff, diff)]
    scaled = diff * _channels(scale)
    if run.phase == pb.TRAIN:
        bottom = _through_statistics(normalized, scaled, deviation)
    else:
        bottom = scaled / deviation
    top = normalized * _channels(scale) + _channels(bias)
    return Result([top], [bottom], [None, None, None, *sums], run.params)


def upsample(run):
    (mask, diff), p = (run.bottoms[1], run.diffs[0]), run.layer.upsample_param
    height, width = p.upsample_h, p.upsample_w
    if not p.HasField("upsample_h"):
        tall, wide = (p.scale_h, p.scale_w) if p.HasField("scale_h") else (p.scale, p.scale)
        height, width = run.x.shape[2] * tall - p.pad_out_h, run.x.shape[3] * wide - p.pad_out_w
    top = np.zeros((*run.x.shape[:2], height * width))
    bottom = np.empty_like(run.x)
    for place in np.ndindex(run.x.shape):
        index = int(mask[place])
        top[(*place[:2], index)] = run.x[place]
        bottom[place] = diff.reshape(top.shape)[(*place[:2], index)]
    return Result([top.reshape(diff.shape)], [bottom, None], [], [])


def _interpolated(size, new):
    """A matrix new x size: each row the shares of two neighbours, corners on corners."""
    shares = np.zeros((new, size))
    ratio = np.float32(size - 1) / np.float32(new - 1) if new > 1 else np.float32(0)
    for row in range(new):
        place = ratio * np.float32(row)
        first = int(place)
        second = first + (first < size - 1)
        shares[row, first] += 1 - np.float64(place - first)
        shares[row, second] += np.float64(place - first)
    return shares


def interp(run):
    p, diff = run.layer.interp_param, run.diffs[0]
    begin, end = -p.pad_beg, -p.pad_end
    inner = (..., *[slice(begin, size - end) for size in run.x.shape[2:]])
    sizes = run.x[inner].shape[2:]
    shrink, zoom = p.HasField("shrink_factor"), p.HasField("zoom_factor")
    if shrink != zoom or not (p.HasField("height") and p.HasField("width")):
        new = [(size - 1) // p.shrink_factor + 1 for size in sizes]
        new = [size + (size - 1) * (p.zoom_factor - 1) for size in new]
    else:
        new = [p.height, p.width]
    rows, columns = map(_interpolated, sizes, new)
    bottom = np.zeros_like(run.x)
    bottom[inner] = rows.T @ diff @ columns
    return Result([rows @ run.x[inner] @ columns.T], [bottom], [], [])


def permute(run):
    order = list(run.layer.permute_param.order)
    order += [axis for axis in range(run.x.ndim) if axis not in order]
    top, bottom = np.empty([run.x.shape[axis] for axis in order]), np.empty_like(run.x)
    for place in np.ndindex(top.shape):
        old = tuple(place[order.index(axis)] for axis in range(run.x.ndim))
        top[place] = run.x[old]
        bottom[old] = run.diffs[0][place]
    return Result([top], [bottom], [], [])


def normalize(run):
    """With a scale per channel the fork leaves the other channels' scales out of the gradient."""
    p, diff = run.layer.norm_param, run.diffs[0]
    axes = (1, 2, 3) if p.across_spatial else (1,)
    norm = np.sqrt((run.x**2).sum(axes, keepdims=True) + p.eps)
    scale = _channels(run.params[0])
    along = (run.x * diff * scale).sum(axes, keepdims=True)
    bottom = (diff * scale - run.x * along / norm**2) / norm
    learned = run.x / norm * diff
    learned = np.sum(learned) if p.channel_shared else _per_channel(learned, np.sum)
    return Result([run.x / norm * scale], [bottom], [learned], run.params)


def weighted_softmax_loss(run):
    p, labels = run.layer.loss_param, run.bottoms[1].astype(int)
    odds = np.exp(run.x - run.x.max(1, keepdims=True))
    shares = odds / odds.sum(1, keepdims=True)
    loss, bottom, count = 0.0, np.zeros_like(shares), 0
    frequencies = np.bincount(labels.ravel(), minlength=run.x.shape[1])
    for n, row, column in np.ndindex(labels.shape[0], *labels.shape[2:]):
        label = labels[n, 0, row, column]
        if p.HasField("ignore_label") and label == p.ignore_label:
            continue
        weight = p.class_weighting[label] if p.class_weighting else 1 / frequencies[label]
        loss -= weight * np.log(shares[n, label, row, column])
        bottom[n, :, row, column] = weight * shares[n, :, row, column]
        bottom[n, label, row, column] -= weight
        count += 1
    divisor = len(run.x) if p.HasField("normalize") and not p.normalize else count
    factor = run.layer.loss_weight[0] / divisor
    return Result([np.array(loss / divisor)], [bottom * factor, None], [], [])
