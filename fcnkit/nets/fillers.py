"""Caffe's fillers in NumPy, for weights made on files, without an engine.

The formulas are those of BVLC Caffe 1.0 (`filler.hpp`); random fillers draw from its distributions,
but not its random numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError, pb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from numpy.typing import NDArray

    # From the filler, the blob's shape and a source of random numbers to its values
    Filler = Callable[[pb.FillerParameter, tuple[int, ...], np.random.RandomState], NDArray[Any]]


def bilinear_kernel(size: int) -> NDArray[np.float32]:
    """The kernel, size x size, with which a Deconvolution interpolates bilinearly.

    Formula of BVLC Caffe's `bilinear` filler: f = ceil(size / 2), c = (size - 1) / (2 f), value
    (1 - |x/f - c|) (1 - |y/f - c|). Older releases and forks had c = (2f - 1 - f mod 2) / (2f),
    which is off the centre for some sizes, 63 among them.
    """
    factor = math.ceil(size / 2)
    centre = (size - 1) / (2 * factor)
    ramp = 1 - np.abs(np.arange(size) / factor - centre)
    return np.outer(ramp, ramp).astype(np.float32)


def can_interpolate(shape: Sequence[int]) -> bool:
    """Whether Deconvolution weights of `shape` can upsample each channel separately.

    They need a square kernel and either one output per group or as many outputs as inputs.
    """
    return len(shape) == 4 and shape[2] == shape[3] and shape[1] in (1, shape[0])


def interpolation_weights(shape: Sequence[int]) -> NDArray[np.float32]:
    """Deconvolution weights (in x out/group x k x k) that upsample each channel separately.

    Grouped weights (one output per group) hold the bilinear kernel everywhere, others on the
    diagonal. Raises `InputError` where `can_interpolate` is False.
    """
    if not can_interpolate(shape):
        raise InputError(
            f"weights of shape {tuple(shape)} cannot interpolate bilinearly: expected a square "
            "kernel and one output channel per input channel"
        )
    inputs, outputs, size, _ = shape
    kernel = bilinear_kernel(size)
    if outputs == 1:
        return np.tile(kernel, (inputs, 1, 1, 1))
    weights = np.zeros(shape, np.float32)
    channels = np.arange(inputs)
    weights[channels, channels] = kernel
    return weights


def fill(
    filler: pb.FillerParameter, shape: Sequence[int], random: np.random.RandomState
) -> NDArray[np.float32]:
    """Make an array of `shape` with the values that `filler` describes.

    Raises `InputError` for a type that Caffe does not have or a shape that the type cannot fill.
    """
    if filler.type not in _FILLERS:
        raise InputError(
            f'there is no filler of type "{filler.type}"; Caffe has {", ".join(sorted(_FILLERS))}'
        )
    return np.asarray(_FILLERS[filler.type](filler, tuple(shape), random), dtype=np.float32)


def _constant(
    filler: pb.FillerParameter, shape: tuple[int, ...], random: np.random.RandomState
) -> NDArray[Any]:
    return np.full(shape, filler.value, np.float32)


def _uniform(
    filler: pb.FillerParameter, shape: tuple[int, ...], random: np.random.RandomState
) -> NDArray[Any]:
    return random.uniform(filler.min, filler.max, shape)


def _gaussian(
    filler: pb.FillerParameter, shape: tuple[int, ...], random: np.random.RandomState
) -> NDArray[Any]:
    values = random.normal(filler.mean, filler.std, shape)
    if filler.sparse >= 0:
        # `sparse` is the mean number of inputs that each of the shape[0] outputs keeps.
        values *= random.uniform(size=shape) < filler.sparse / shape[0]
    return values


def _positive_unitball(
    filler: pb.FillerParameter, shape: tuple[int, ...], random: np.random.RandomState
) -> NDArray[Any]:
    values = random.uniform(size=shape)
    return values / values.reshape(shape[0], -1).sum(1).reshape((-1,) + (1,) * (len(shape) - 1))


def _xavier(
    filler: pb.FillerParameter, shape: tuple[int, ...], random: np.random.RandomState
) -> NDArray[Any]:
    limit = math.sqrt(3 / _fan(filler, shape))
    return random.uniform(-limit, limit, shape)


def _msra(
    filler: pb.FillerParameter, shape: tuple[int, ...], random: np.random.RandomState
) -> NDArray[Any]:
    return random.normal(0, math.sqrt(2 / _fan(filler, shape)), shape)


def _bilinear(
    filler: pb.FillerParameter, shape: tuple[int, ...], random: np.random.RandomState
) -> NDArray[Any]:
    if len(shape) != 4 or shape[2] != shape[3]:
        raise InputError(
            f"a bilinear filler needs a blob of 4 axes with a square kernel, found {shape}"
        )
    return np.tile(bilinear_kernel(shape[3]), shape[:2] + (1, 1))


def _fan(filler: pb.FillerParameter, shape: tuple[int, ...]) -> float:
    count = float(np.prod(shape))
    fan_in = count / shape[0]
    fan_out = count / shape[1] if len(shape) > 1 else count
    norms = pb.FillerParameter
    return {
        norms.FAN_IN: fan_in,
        norms.FAN_OUT: fan_out,
        norms.AVERAGE: (fan_in + fan_out) / 2,
    }[filler.variance_norm]


_FILLERS: dict[str, Filler] = {
    "constant": _constant,
    "uniform": _uniform,
    "gaussian": _gaussian,
    "positive_unitball": _positive_unitball,
    "xavier": _xavier,
    "msra": _msra,
    "bilinear": _bilinear,
}
