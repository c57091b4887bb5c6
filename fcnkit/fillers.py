"""Caffe's fillers in NumPy, for weights that are made on files, where no engine runs.

Each filler takes the shape of a blob and a `numpy.random.RandomState` and returns float32. The
formulas are those of BVLC Caffe 1.0 (`filler.hpp`); random fillers follow its distributions, not
its random numbers.
"""

import math

import numpy as np

from caffeformat import InputError, pb


def bilinear_kernel(size):
    """The `size` x `size` float32 kernel that a Deconvolution needs to interpolate bilinearly.

    Formula of BVLC Caffe's `bilinear` filler: f = ceil(size / 2), c = (size - 1) / (2 f), value
    (1 - |x/f - c|) (1 - |y/f - c|). Older releases and forks had c = (2f - 1 - f mod 2) / (2f),
    which is off the centre for some sizes, 63 among them.
    """
    factor = math.ceil(size / 2)
    centre = (size - 1) / (2 * factor)
    ramp = 1 - np.abs(np.arange(size) / factor - centre)
    return np.outer(ramp, ramp).astype(np.float32)


def can_interpolate(shape):
    """Whether Deconvolution weights of `shape` can upsample each channel by itself.

    They need a square kernel and, where not one a group, as many outputs as inputs.
    """
    return len(shape) == 4 and shape[2] == shape[3] and shape[1] in (1, shape[0])


def interpolation_weights(shape):
    """Deconvolution weights (in x out/group x k x k) that upsample every channel by itself.

    Grouped weights (one output a group) hold the bilinear kernel everywhere, others on the
    diagonal. Raises `InputError` where `can_interpolate` is False.
    """
    if not can_interpolate(shape):
        raise InputError(
            f"weights of shape {tuple(shape)} cannot interpolate bilinearly: the kernel has to be "
            "square, with one output channel for each input channel"
        )
    inputs, outputs, size, _ = shape
    kernel = bilinear_kernel(size)
    if outputs == 1:
        return np.tile(kernel, (inputs, 1, 1, 1))
    weights = np.zeros(shape, np.float32)
    channels = np.arange(inputs)
    weights[channels, channels] = kernel
    return weights


def fill(filler, shape, random):
    """A float32 array of `shape` as `filler` (a `FillerParameter`) says.

    `random` is a `numpy.random.RandomState`. Raises `InputError` for a type Caffe does not have or
    a shape the type cannot fill.
    """
    if filler.type not in _FILLERS:
        raise InputError(
            f'there is no filler of type "{filler.type}"; Caffe has {", ".join(sorted(_FILLERS))}'
        )
    return np.asarray(_FILLERS[filler.type](filler, tuple(shape), random), dtype=np.float32)


def _constant(filler, shape, random):
    return np.full(shape, filler.value, np.float32)


def _uniform(filler, shape, random):
    return random.uniform(filler.min, filler.max, shape)


def _gaussian(filler, shape, random):
    values = random.normal(filler.mean, filler.std, shape)
    if filler.sparse >= 0:
        # `sparse` is the mean number of inputs that each of the shape[0] outputs keeps.
        values *= random.uniform(size=shape) < filler.sparse / shape[0]
    return values


def _positive_unitball(filler, shape, random):
    values = random.uniform(size=shape)
    return values / values.reshape(shape[0], -1).sum(1).reshape((-1,) + (1,) * (len(shape) - 1))


def _xavier(filler, shape, random):
    limit = math.sqrt(3 / _fan(filler, shape))
    return random.uniform(-limit, limit, shape)


def _msra(filler, shape, random):
    return random.normal(0, math.sqrt(2 / _fan(filler, shape)), shape)


def _bilinear(filler, shape, random):
    if len(shape) != 4 or shape[2] != shape[3]:
        raise InputError(
            f"a bilinear filler needs a blob of 4 axes with a square kernel, not {shape}"
        )
    return np.tile(bilinear_kernel(shape[3]), shape[:2] + (1, 1))


def _fan(filler, shape):
    count = np.prod(shape)
    fan_in = count / shape[0]
    fan_out = count / shape[1] if len(shape) > 1 else count
    norms = pb.FillerParameter
    return {
        norms.FAN_IN: fan_in,
        norms.FAN_OUT: fan_out,
        norms.AVERAGE: (fan_in + fan_out) / 2,
    }[filler.variance_norm]


_FILLERS = {
    "constant": _constant,
    "uniform": _uniform,
    "gaussian": _gaussian,
    "positive_unitball": _positive_unitball,
    "xavier": _xavier,
    "msra": _msra,
    "bilinear": _bilinear,
}
