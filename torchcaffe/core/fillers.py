"""Weight fillers: what a parameter holds before anything was learned.

`fill(tensor, filler)` fills `tensor` as the FillerParameter `filler` requests. Random numbers come
from torch's generator, seeded by `set_random_seed`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from caffeformat import InputError, pb

if TYPE_CHECKING:
    from collections.abc import Callable

    Filler = Callable[[torch.Tensor, pb.FillerParameter, str], None]

_FILLERS: dict[str, Filler] = {}
_BY_OUTPUTS = ("positive_unitball", "xavier", "msra")  # what they draw follows from the first axis


def _filler(name: str) -> Callable[[Filler], Filler]:
    def enter(function: Filler) -> Filler:
        _FILLERS[name] = function
        return function

    return enter


def fill(tensor: torch.Tensor, filler: pb.FillerParameter | None, where: str = "filler") -> None:
    """Fill `tensor` in place, with zeros if `filler` is None.

    Raises `InputError`, which begins with `where` (the layer), for a filler that is unknown or does
    not fit the tensor.
    """
    if filler is None:
        tensor.zero_()
        return
    if filler.type not in _FILLERS:
        raise InputError(
            f'{where}: there is no filler "{filler.type}"; known fillers: '
            f"{', '.join(sorted(_FILLERS))}."
        )
    if filler.sparse != -1 and filler.type != "gaussian":
        raise InputError(
            f'{where}: the "{filler.type}" filler cannot be sparse, only "gaussian" can; take '
            "sparse out."
        )
    if not tensor.dim() and (filler.type in _BY_OUTPUTS or filler.sparse != -1):
        raise InputError(
            f'{where}: the "{filler.type}" filler counts outputs, which a single number has not; '
            "use constant, uniform, or gaussian without sparse."
        )
    if not tensor.numel():
        return  # the formulas would divide by its size
    with torch.no_grad():
        _FILLERS[filler.type](tensor, filler, where)


@_filler("constant")
def _constant(tensor: torch.Tensor, filler: pb.FillerParameter, where: str) -> None:
    tensor.fill_(filler.value)


@_filler("uniform")
def _uniform(tensor: torch.Tensor, filler: pb.FillerParameter, where: str) -> None:
    if not -math.inf < filler.min <= filler.max < math.inf:
        raise InputError(
            f"{where}: the uniform filler needs a finite min that is not above max; found min "
            f"{filler.min:g} and max {filler.max:g}."
        )
    tensor.uniform_(filler.min, filler.max)


@_filler("gaussian")
def _gaussian(tensor: torch.Tensor, filler: pb.FillerParameter, where: str) -> None:
    """Normal numbers; with `sparse: n`, about n of them per output, zero elsewhere."""
    if not 0 <= filler.std < math.inf:
        raise InputError(
            f"{where}: the gaussian filler needs a std of 0 or more, found {filler.std:g}."
        )
    if filler.sparse < -1:
        raise InputError(
            f"{where}: the gaussian filler needs a sparse of 0 or more, found {filler.sparse}."
        )
    tensor.normal_(filler.mean, filler.std)
    if filler.sparse >= 0:
        share = min(1.0, filler.sparse / tensor.shape[0])
        tensor.mul_(torch.empty_like(tensor).bernoulli_(share))


@_filler("positive_unitball")
def _positive_unitball(tensor: torch.Tensor, filler: pb.FillerParameter, where: str) -> None:
    """Uniform in (0, 1), then each output's weights divided by their sum."""
    tensor.uniform_(0, 1)
    rows = tensor.view(tensor.shape[0], -1)
    rows.div_(rows.sum(1, keepdim=True))


def _fan(tensor: torch.Tensor, filler: pb.FillerParameter) -> float:
    """The n of Glorot's and He's formulas, by `variance_norm`."""
    fan_in = tensor.numel() / tensor.shape[0]
    fan_out = tensor.numel() / tensor.shape[1] if tensor.dim() > 1 else tensor.numel()
    if filler.variance_norm == pb.FillerParameter.FAN_OUT:
        return fan_out
    if filler.variance_norm == pb.FillerParameter.AVERAGE:
        return (fan_in + fan_out) / 2
    return fan_in


@_filler("xavier")
def _xavier(tensor: torch.Tensor, filler: pb.FillerParameter, where: str) -> None:
    """Glorot and Bengio 2010: uniform with variance 1/n."""
    bound = math.sqrt(3 / _fan(tensor, filler))
    tensor.uniform_(-bound, bound)


@_filler("msra")
def _msra(tensor: torch.Tensor, filler: pb.FillerParameter, where: str) -> None:
    """He et al. 2015: normal with variance 2/n."""
    tensor.normal_(0, math.sqrt(2 / _fan(tensor, filler)))


@_filler("bilinear")
def _bilinear(tensor: torch.Tensor, filler: pb.FillerParameter, where: str) -> None:
    """Bilinear interpolation as a deconvolution's kernel, in every filter of the blob."""
    if tensor.dim() != 4 or tensor.shape[2] != tensor.shape[3]:
        raise InputError(
            f"{where}: the bilinear filler needs a square 2-d kernel (4 axes, the last two equal), "
            f"found the shape {tuple(tensor.shape)}."
        )
    size = tensor.shape[3]
    half = math.ceil(size / 2)
    centre = (size - 1) / (2 * half)
    row = 1 - (torch.arange(size, dtype=torch.float64) / half - centre).abs()
    tensor.copy_(torch.outer(row, row).to(tensor.dtype).expand_as(tensor))
