"""Weight fillers: what a parameter holds before anything was learned.

`fill(tensor, filler)` writes into `tensor` what FillerParameter `filler` asks for. Random numbers
come from torch's generator, seeded by `set_random_seed`.
"""

import math

import torch

from caffeformat import InputError, pb

_FILLERS = {}


def _filler(name):
    def enter(function):
        _FILLERS[name] = function
        return function

    return enter


def fill(tensor, filler, where="filler"):
    """Fill `tensor` in place; zeros where `filler` is None. `where` names the layer in errors."""
    if filler is None:
        tensor.zero_()
        return
    if filler.type not in _FILLERS:
        raise InputError(
            f'{where}: there is no filler "{filler.type}"; known: {", ".join(sorted(_FILLERS))}.'
        )
    if filler.sparse != -1 and filler.type != "gaussian":
        raise InputError(f'{where}: only the "gaussian" filler can be sparse.')
    if not tensor.numel():
        return  # the formulas would divide by its size
    with torch.no_grad():
        _FILLERS[filler.type](tensor, filler, where)


@_filler("constant")
def _constant(tensor, filler, where):
    tensor.fill_(filler.value)


@_filler("uniform")
def _uniform(tensor, filler, where):
    if not -math.inf < filler.min <= filler.max < math.inf:
        raise InputError(
            f"{where}: the uniform filler goes from min to max, found {filler.min:g} to "
            f"{filler.max:g}."
        )
    tensor.uniform_(filler.min, filler.max)


@_filler("gaussian")
def _gaussian(tensor, filler, where):
    """Normal numbers; with `sparse: n`, about n of them per output, zero elsewhere."""
    if not 0 <= filler.std < math.inf:
        raise InputError(
            f"{where}: the gaussian filler needs std of 0 or more, not {filler.std:g}."
        )
    tensor.normal_(filler.mean, filler.std)
    if filler.sparse >= 0:
        tensor.mul_(torch.full_like(tensor, min(1.0, filler.sparse / tensor.shape[0])).bernoulli_())


@_filler("positive_unitball")
def _positive_unitball(tensor, filler, where):
    """Uniform in (0, 1), then each output's weights divided by their sum."""
    tensor.uniform_(0, 1)
    rows = tensor.view(tensor.shape[0], -1)
    rows.div_(rows.sum(1, keepdim=True))


def _fan(tensor, filler):
    """The n of Xavier's and He's formulas, by `variance_norm`."""
    fan_in = tensor.numel() / tensor.shape[0]
    fan_out = tensor.numel() / tensor.shape[1] if tensor.dim() > 1 else tensor.numel()
    if filler.variance_norm == pb.FillerParameter.FAN_OUT:
        return fan_out
    if filler.variance_norm == pb.FillerParameter.AVERAGE:
        return (fan_in + fan_out) / 2
    return fan_in


@_filler("xavier")
def _xavier(tensor, filler, where):
    """Glorot and Bengio 2010: uniform with variance 1/n."""
    bound = math.sqrt(3 / _fan(tensor, filler))
    tensor.uniform_(-bound, bound)


@_filler("msra")
def _msra(tensor, filler, where):
    """He et al. 2015: normal with variance 2/n."""
    tensor.normal_(0, math.sqrt(2 / _fan(tensor, filler)))


@_filler("bilinear")
def _bilinear(tensor, filler, where):
    """Bilinear interpolation as a deconvolution's kernel, in every filter of the blob."""
    if tensor.dim() != 4 or tensor.shape[2] != tensor.shape[3]:
        raise InputError(
            f"{where}: the bilinear filler needs a square 2-d kernel (4 axes, the last two equal), "
            f"found shape {tuple(tensor.shape)}."
        )
    size = tensor.shape[3]
    half = math.ceil(size / 2)
    centre = (size - 1) / (2 * half)
    row = 1 - (torch.arange(size, dtype=torch.float64) / half - centre).abs()
    tensor.copy_(torch.outer(row, row).to(tensor.dtype).expand_as(tensor))
