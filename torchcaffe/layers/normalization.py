"""Layers that normalize to mean 0 and variance 1: BatchNorm and MVN."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import torch

from caffeformat import pb
from torchcaffe.core import sync_batch_norm

from .base import Gradient, Layer, Param, Shape, Shapes, Tensors, register
from .shared_norm import SharedStatistics, shared_norm, shared_statistics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Optional

    MaybeTensor = Optional[torch.Tensor]


class PerChannel(NamedTuple):
    """What a normalization takes for each of C channels, C values each.

    Where statistics are not stored, those of a batch are left in `mean` and `variance`.
    """

    scale: MaybeTensor
    bias: MaybeTensor
    mean: torch.Tensor
    variance: torch.Tensor


def batch_norm(x: torch.Tensor, values: PerChannel, eps: float, *, stored: bool) -> torch.Tensor:
    """Normalize `x` (N x C x ...) by mean and variance per channel, times scale plus bias.

    Unless these are `stored` statistics, the batch's own are used, and its mean and unbiased
    variance are left in `values`: that is torch's momentum of 1.
    """
    cudnn = torch.backends.cudnn.enabled
    return torch.batch_norm(x, *values, not stored, 1.0, eps, cudnn)


def batch_norm_with_gradient(
    x: torch.Tensor, values: PerChannel, eps: float, *, stored: bool, needs: Sequence[bool]
) -> tuple[torch.Tensor, Gradient]:
    """Return what `batch_norm` returns, and what computes its gradients.

    `needs` says of `x`, and of scale and bias if there are any, whether theirs are needed.
    """
    # One order for x and its diff: sums over two orders are slow, and cuDNN's backward refuses an x
    # that is part of another tensor, such as a Slice's top.
    has_channels_last = x.dim() == 4 and x.stride(1) == 1 and not x.is_contiguous()
    order = torch.channels_last if has_channels_last else torch.contiguous_format
    x = x.contiguous(memory_format=order)
    cudnn = torch.backends.cudnn.enabled
    top, *kept, reserved, way = torch._batch_norm_impl_index(
        x, *values, not stored, 1.0, eps, cudnn
    )
    scale, _, mean, variance = values
    mask = [*needs, False, False][:3]

    def gradient(diff: torch.Tensor) -> Sequence[torch.Tensor | None]:
        diff = diff.contiguous(memory_format=order)
        made = torch.ops.aten._batch_norm_impl_index_backward(
            way, x, diff, scale, mean, variance, *kept, not stored, eps, mask, reserved
        )
        return [values for values, need in zip(made, mask) if need]

    return top, gradient


class BatchMoments(NamedTuple):
    """A batch's mean per channel, the unbiased estimate of its variance, and values per channel."""

    mean: torch.Tensor
    unbiased: torch.Tensor
    number: int

    @property
    def variance(self) -> torch.Tensor:
        """The mean squared distance from the mean."""
        return self.unbiased * ((self.number - 1) / max(1, self.number))


class BatchStatistics:
    """How a layer normalizes a batch by statistics of its own, in phase TRAIN.

    That batch is the solver's or, with `set_sync_batch_norm`, that of all solvers together.
    """

    def __init__(self, phase: int) -> None:
        self.is_shared = phase == pb.TRAIN and sync_batch_norm()
        self._last: SharedStatistics | None = None

    def normalize(
        self, x: torch.Tensor, scale: MaybeTensor, bias: MaybeTensor, eps: float, *, again: bool
    ) -> tuple[torch.Tensor, BatchMoments | SharedStatistics]:
        """Normalize `x` (N x C x ...), times `scale` plus `bias` per channel.

        Returns the top and the batch's statistics per channel, of which the unbiased estimate of
        the variance is 0 for a single value. `again`: the batch is that of the last call.
        """
        if self.is_shared:
            dtype, x = x.dtype, x.float()
            if self._last is None or not again:
                self._last = shared_statistics(x)
            top = shared_norm(x, scale, bias, self._last, eps)
            return top.to(dtype), self._last
        mean, unbiased = _zeros_for(x)
        top = batch_norm(x, PerChannel(scale, bias, mean, unbiased), eps, stored=False)
        return top, _moments(x, mean, unbiased)

    def normalize_with_gradient(
        self,
        x: torch.Tensor,
        scale: MaybeTensor,
        bias: MaybeTensor,
        eps: float,
        needs: Sequence[bool],
        zeros: tuple[torch.Tensor, ...] | None = None,
    ) -> tuple[torch.Tensor, BatchMoments, Gradient]:
        """As `normalize`, unless the batch `is_shared`, with what computes the gradients.

        `zeros`: memory for mean and variance, as `_zeros_for` makes it.
        """
        mean, unbiased = zeros or _zeros_for(x)
        values = PerChannel(scale, bias, mean, unbiased)
        top, gradient = batch_norm_with_gradient(x, values, eps, stored=False, needs=needs)
        return top, _moments(x, mean, unbiased), gradient


def _zeros_for(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    # Zeros, not uninitialized memory: torch multiplies it by 0, and 0 times NaN is NaN.
    kind = torch.promote_types(x.dtype, torch.float32)  # float32 for halves, too
    return torch.zeros(2, x.shape[1], device=x.device, dtype=kind).unbind()


def _moments(x: torch.Tensor, mean: torch.Tensor, unbiased: torch.Tensor) -> BatchMoments:
    count = x.numel() // x.shape[1]
    if count == 1:  # the unbiased variance of one value is 0 / 0
        unbiased = torch.zeros_like(unbiased)  # torch keeps the other one for its backward
    return BatchMoments(mean, unbiased, count)


class RunningSums:
    """Collects the statistics of a pass, to add them to all layers' decayed sums at its end.

    The reason is that of `StoredMoments`. No two of the layers may share their blobs.
    """

    def __init__(self, layers: Sequence[BatchNorm]) -> None:
        """Allocate what `zeros` returns for each of `layers`."""
        self._waiting: list[tuple[BatchNorm, Tensors, Tensors]] = []
        self._zeros: dict[BatchNorm, tuple[torch.Tensor, ...]] = {}
        if layers:
            sizes = [layer.channels for layer in layers for _ in range(2)]
            parts = torch.zeros(sum(sizes), device=layers[0].device).split(sizes)
            self._zeros = dict(zip(layers, zip(parts[::2], parts[1::2])))

    @classmethod
    @contextlib.contextmanager
    def of_pass(cls, layers: Sequence[BatchNorm]) -> Iterator[None]:
        """Collect the statistics of `layers` meanwhile, and add them at the end."""
        layers = [layer for layer in layers if not layer.stored]
        sums = cls(layers)
        for layer in layers:
            layer.sums = sums
        try:
            yield
        finally:
            for layer in layers:
                layer.sums = None
            sums.settle()

    def zeros(self, layer: BatchNorm) -> tuple[torch.Tensor, ...] | None:
        """Return two arrays of zeros, float32, one per channel of `layer`; None the second time."""
        return self._zeros.pop(layer, None)

    def add(self, layer: BatchNorm, params: Tensors, moments: Tensors) -> None:
        """Have the mean and variance `moments` added to `params`, the layer's three blobs."""
        self._waiting.append((layer, params, moments))

    def settle(self) -> None:
        """Add what waits."""
        waiting, self._waiting = self._waiting, []
        by_decay: dict[float, list[tuple[Tensors, Tensors]]] = {}
        for layer, params, moments in waiting:
            by_decay.setdefault(layer.decay, []).append((params, moments))
        with torch.no_grad():
            for decay, members in by_decay.items():
                sums = [total for (mean, variance, _), _ in members for total in (mean, variance)]
                weights = [weight for (_, _, weight), _ in members]
                torch._foreach_mul_([*sums, *weights], decay)
                torch._foreach_add_(sums, [values for _, moments in members for values in moments])
                torch._foreach_add_(weights, 1.0)
        for layer, _, _ in waiting:
            for blob in layer.blobs:
                blob.data_written()


def _factors(weights: torch.Tensor) -> torch.Tensor:
    """Return 1 / weight, and 0 for a weight of 0, which stands for mean and variance 0."""
    # A comparison and not an `if`, which on a GPU would have to wait for the number.
    return torch.where(weights == 0, weights, 1 / weights)


class StoredMoments:
    """Divides the stored sums of several layers by their weights together, for one pass.

    On a GPU that takes a few kernels in place of a few for each layer, which are over before the
    next one is started.
    """

    def __init__(self, layers: Sequence[BatchNorm]) -> None:
        """For those of `layers` that use stored statistics."""
        self._layers = [layer for layer in layers if layer.stored]
        self._sizes = [2 * layer.channels for layer in self._layers]
        numbers = torch.arange(len(self._sizes))
        self._places = numbers.repeat_interleave(torch.tensor(self._sizes, dtype=torch.int64))

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Have the layers take, meanwhile, the statistics that are stored now."""
        if self._layers:
            blobs = [[blob.tensor().detach() for blob in layer.blobs] for layer in self._layers]
            sums = torch.cat([values for group in blobs for values in group[:2]])
            factors = _factors(torch.cat([group[2] for group in blobs]))
            self._places = self._places.to(sums.device)
            for layer, part in zip(self._layers, (sums * factors[self._places]).split(self._sizes)):
                layer.moments = part[: layer.channels], part[layer.channels :]
        try:
            yield
        finally:
            for layer in self._layers:
                layer.moments = None


@register("BatchNorm")
class BatchNorm(Layer):
    """(x - mean) / sqrt(variance + eps) for each channel (Ioffe and Szegedy 2015).

    TRAIN uses the batch's statistics and keeps decayed sums in three blobs: means, variances
    (unbiased) and the weight by which both are divided. TEST uses those sums; `use_global_stats`
    overrides which are used. A weight of 0 stands for mean and variance 0.
    """

    output_is_free = True
    arithmetic = "any"
    sums: RunningSums | None = None  # where a pass through the whole net collects its statistics
    moments: tuple[torch.Tensor, torch.Tensor] | None = None  # see `StoredMoments`
    least_axes = 1

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.batch_norm_param
        self.eps, self.decay = p.eps, p.moving_average_fraction
        self.stored = self.phase == pb.TEST
        if p.HasField("use_global_stats"):
            self.stored = p.use_global_stats
        for spec in self.proto.param:
            if spec.lr_mult != 0:
                raise self.error(
                    "its three blobs are statistics and not learned: every param needs lr_mult: 0, "
                    f"but one has {spec.lr_mult:g}."
                )
        self.channels = self._channels(shapes[0])
        self.batch = BatchStatistics(self.phase)
        return [Param(shape, learned=False) for shape in ((self.channels,), (self.channels,), (1,))]

    @staticmethod
    def _channels(shape: Shape) -> int:
        return 1 if len(shape) == 1 else shape[1]

    def check(self, shapes: Shapes) -> None:
        if self._channels(shapes[0]) != self.channels:
            raise self.misfit(f"its statistics are for {self.channels} channels", shapes)

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        return [self.scaled(bottoms[0], params)]

    def scaled(
        self,
        x: torch.Tensor,
        params: Tensors,
        scale: MaybeTensor = None,
        bias: MaybeTensor = None,
        *,
        remember: bool = True,
    ) -> torch.Tensor:
        """Compute the top times `scale` plus `bias` (one number per channel each) in one step.

        Without `remember` the stored statistics stay as they are.
        """
        shape = x.shape
        if x.dim() == 1:
            x = x[:, None]
        if self.stored:
            values = PerChannel(scale, bias, *self._stored_moments(params))
            return batch_norm(x, values, self.eps, stored=True).view(shape)
        again = self.repeats or not remember
        top, moments = self.batch.normalize(x, scale, bias, self.eps, again=again)
        if not again:
            self._accumulate(params, moments)
        return top.view(shape)

    def compute_with_gradient(
        self, bottoms: Tensors, params: Tensors, needs: Sequence[bool]
    ) -> tuple[torch.Tensor, Gradient] | None:
        made = self.scaled_with_gradient(bottoms[0], params, None, None, needs[:1])
        if made is None or not any(needs[1:]):
            return made
        top, gradient = made
        # Statistics have none, whatever force_backward asks for.
        return top, lambda diff: [*gradient(diff), *(None for need in needs[1:] if need)]

    def scaled_with_gradient(
        self,
        x: torch.Tensor,
        params: Tensors,
        scale: MaybeTensor,
        bias: MaybeTensor,
        needs: Sequence[bool],
    ) -> tuple[torch.Tensor, Gradient] | None:
        """As `scaled`, with what computes the gradients of `x` and of `scale` and `bias`.

        None, and nothing was computed, where only autograd can.
        """
        if x.dim() == 1 or (self.batch.is_shared and not self.stored):
            return None
        if self.stored:
            values = PerChannel(scale, bias, *self._stored_moments(params))
            return batch_norm_with_gradient(x, values, self.eps, stored=True, needs=needs)
        zeros = self.sums.zeros(self) if self.sums else None
        top, moments, gradient = self.batch.normalize_with_gradient(
            x, scale, bias, self.eps, needs, zeros
        )
        if not self.repeats:
            self._accumulate(params, moments)
        return top, gradient

    def _stored_moments(self, params: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean and the variance of which `params` hold the sums."""
        if self.moments is not None:
            return self.moments
        means, variances, weight = (param.detach() for param in params)
        mean, variance = torch._foreach_mul([means, variances], _factors(weight).view(()))
        return mean, variance

    def _accumulate(self, params: Tensors, moments: BatchMoments | SharedStatistics) -> None:
        """Add the statistics of a batch to the decayed sums."""
        sums = self.sums or RunningSums([])
        sums.add(self, params, [moments.mean, moments.unbiased])
        if self.sums is None:
            sums.settle()


@register("MVN")
class MVN(Layer):
    """(x - mean) / (standard deviation + eps) over each image's channel, or over each image.

    The top has four axes; those that the bottom lacks are 1.
    """

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        p = self.proto.mvn_param
        x = bottoms[0].reshape(self.fitted[0])
        rows = x.flatten(1) if p.across_channels else x.flatten(2)
        rows = rows - rows.mean(-1, keepdim=True)
        if p.normalize_variance:
            variance = rows.square().mean(-1, keepdim=True)
            fixed = variance.detach().sqrt() + p.eps
            # As in Caffe, the root's slope is that at the divisor, which exists for equal values.
            rows = rows / (fixed + (variance - variance.detach()) / (2 * fixed))
        return [rows.view_as(x)]
