"""Convolution, Deconvolution and Im2col."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from caffeformat.geometry import convolution_windows

from .base import Gradient, Layer, Param, Shape, Shapes, Tensors, register
from .deconvolve import LARGE_STRIDE, deconvolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class _Windows(Layer):
    """Base of layers with a convolution_param: the geometry of windows over the last axes.

    Attributes after `setup`: `axis` (that of the channels), and the tuples `kernel`, `stride`,
    `pad` and `dilation` with one number per spatial axis.
    """

    kernel: Shape
    stride: Shape
    pad: Shape
    dilation: Shape

    def setup(self, shapes: Shapes) -> list[Param]:
        shape = shapes[0]
        self.axis = self.canonical_axis(self.proto.convolution_param.axis, shape)
        spatial = len(shape) - self.axis - 1
        if not 1 <= spatial <= 3:
            raise self.error(
                f"works on 1 to 3 axes after the channels, but its bottom has shape {tuple(shape)} "
                f"with the channels on axis {self.axis}."
            )
        windows = convolution_windows(self.proto, spatial)
        self.kernel, self.stride, self.pad, self.dilation = zip(*windows)
        return []


class _Weighted(_Windows):
    """Base of Convolution and Deconvolution: weights, bias, groups, any number of bottoms."""

    bottoms = tops = (1, None)
    output_is_free = True
    arithmetic = "lower"

    def setup(self, shapes: Shapes) -> list[Param]:
        super().setup(shapes)
        p = self.proto.convolution_param
        self.group, self.bias, self.outputs = p.group, p.bias_term, p.num_output
        self.channels = shapes[0][self.axis]
        if self.outputs < 1:
            raise self.error(f"num_output is {self.outputs}; expected 1 or more.")
        for what, number in (
            ("num_output", self.outputs),
            ("the bottom's channels", self.channels),
        ):
            if self.group < 1 or number % self.group:
                raise self.error(f"{what}, {number}, must be divisible by group: {self.group}.")
        params = [Param(self.weight_shape(), p.weight_filler)]
        if self.bias:
            params.append(Param((self.outputs,), p.bias_filler))
        return params

    def check(self, shapes: Shapes) -> None:
        if len(self.proto.top) != len(self.proto.bottom):
            raise self.error(
                f"needs as many tops as bottoms; found {len(self.proto.top)} and "
                f"{len(self.proto.bottom)}."
            )
        if shapes[0][self.axis] != self.channels:
            shape = self.weight_shape()
            raise self.misfit(
                f"its weights have shape {shape}, for {self.channels} channels", shapes
            )

    def weight_shape(self) -> Shape:
        """Return the shape of the weights."""
        raise NotImplementedError

    def apply(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        """Compute the top of one bottom, both with the channels on axis 1."""
        raise NotImplementedError

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        bias = params[1] if self.bias else None
        tops = []
        for x in bottoms:
            batch = x.shape[: self.axis]
            if len(batch) != 1:  # channels on another axis than 1: all axes before are the batch
                x = x.reshape(-1, *x.shape[self.axis :])
            top = self.apply(x, params[0], bias)
            tops.append(top if len(batch) == 1 else top.reshape(*batch, *top.shape[1:]))
        return tops


@register("Convolution")
class Convolution(_Weighted):
    """Cross-correlation with learned filters over 1 to 3 axes.

    Weights: num_output x channels/group x kernel; bias: num_output. Output sizes round down.
    """

    def weight_shape(self) -> Shape:
        return (self.outputs, self.channels // self.group, *self.kernel)

    def apply(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        if self._is_matrix_product(x, weight):
            return self._as_matrix_product(x, weight, bias)
        return self._convolve(x, weight, bias)

    def _convolve(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        convolve = _CONVOLUTIONS[len(self.kernel)]
        return convolve(x, weight, bias, self.stride, self.pad, self.dilation, self.group)

    def compute_with_gradient(
        self, bottoms: Tensors, params: Tensors, needs: Sequence[bool]
    ) -> tuple[torch.Tensor, Gradient] | None:
        (x, *others), weight = bottoms, params[0]
        if others or self.axis != 1 or not self.is_native or self._is_matrix_product(x, weight):
            return None
        dtypes = [tensor.dtype for tensor in (x, *params)]
        if self.dtype is not None:
            x, *params = (tensor.to(self.dtype) for tensor in (x, *params))
        top = self._convolve(x, params[0], params[1] if self.bias else None)

        def gradient(diff: torch.Tensor) -> Sequence[torch.Tensor]:
            made = torch.ops.aten.convolution_backward(
                diff, x, params[0], [self.outputs], self.stride, self.pad, self.dilation,
                False, [0] * len(self.kernel), self.group, [*needs, False][:3],
            )  # fmt: skip
            return [g.to(dtype) for g, dtype, need in zip(made, dtypes, needs) if need]

        return top, gradient

    def _is_matrix_product(self, x: torch.Tensor, weight: torch.Tensor) -> bool:
        """Whether unfolding the windows and one matrix product is faster on the CPU.

        It is where there is far more weight than image, as in convolutionalized classifiers:
        convolution routines first reorder all weights.
        """
        if x.device.type != "cpu" or len(self.kernel) != 2 or self.group != 1 or len(x) != 1:
            return False
        positions = math.prod(self.fitted[0][self.axis + 1 :])
        return weight.numel() // self.outputs >= 2 * positions and self.outputs >= 2 * positions

    def _as_matrix_product(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        if max(self.kernel) == 1 and max(self.stride) == 1 and not any(self.pad):
            columns = x[0].flatten(1)
        else:
            columns = F.unfold(x, self.kernel, self.dilation, self.pad, self.stride)[0]
        memory = getattr(weight, "gradient_memory", None)
        top: torch.Tensor = _MatrixProduct.apply(weight.flatten(1), columns, bias, memory)
        return top.view(1, self.outputs, *self.fitted[0][self.axis + 1 :])


class _MatrixProduct(torch.autograd.Function):
    """weight (O x K) times columns (K x L), plus one bias per row.

    The gradient of a large weight is computed in the memory that `gradient_memory` of its Blob
    returns: new memory would have to be mapped page by page, and added to the diff afterwards.
    """

    @staticmethod
    def forward(
        ctx: Any,
        weight: torch.Tensor,
        columns: torch.Tensor,
        bias: torch.Tensor | None,
        gradient_memory: Callable[[], tuple[torch.Tensor | None, bool]] | None,
    ) -> torch.Tensor:
        ctx.save_for_backward(weight, columns)
        ctx.gradient_memory = gradient_memory
        return weight @ columns if bias is None else torch.addmm(bias[:, None], weight, columns)

    @staticmethod
    def backward(ctx: Any, diff: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        weight, columns = ctx.saved_tensors
        for_weight = for_columns = for_bias = None
        if ctx.needs_input_grad[0]:
            memory, holds_diff = ctx.gradient_memory() if ctx.gradient_memory else (None, False)
            if memory is not None and holds_diff:
                memory.view(weight.shape).addmm_(diff, columns.t())
            else:
                out = None if memory is None else memory.view(weight.shape)
                for_weight = torch.mm(diff, columns.t(), out=out)
        if ctx.needs_input_grad[1]:
            for_columns = weight.t() @ diff
        if ctx.needs_input_grad[2]:
            for_bias = diff.sum(1)
        return for_weight, for_columns, for_bias, None


@register("Deconvolution")
class Deconvolution(_Weighted):
    """The transpose of Convolution: each input value adds its scaled kernel to the output.

    Weights: channels x num_output/group x kernel; bias: num_output.
    """

    is_cheap = True

    def setup(self, shapes: Shapes) -> list[Param]:
        params = super().setup(shapes)
        # Large strides upsample scores, of which there are few, and whose order decides.
        self.arithmetic = "exact" if min(self.stride) >= LARGE_STRIDE else "lower"
        return params

    def weight_shape(self) -> Shape:
        return (self.channels, self.outputs // self.group, *self.kernel)

    def apply(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        return deconvolve(x, weight, bias, self.stride, self.pad, self.dilation, self.group)


@register("Im2col")
class Im2col(_Windows):
    """The windows of a convolution, as columns: N x (C times kernel) x outputs."""

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        x = bottoms[0]
        windows = F.pad(x, [side for pad in reversed(self.pad) for side in (pad, pad)])
        spatial = range(self.axis + 1, x.dim())
        for axis, kernel, stride, dilation in zip(spatial, self.kernel, self.stride, self.dilation):
            windows = windows.unfold(axis, dilation * (kernel - 1) + 1, stride)
        # Now: batch, channels, outputs, then each window, of which dilation keeps every few values.
        dilated = tuple(slice(None, None, step) for step in self.dilation)
        windows = windows[(slice(None),) * x.dim() + dilated]
        within = range(x.dim(), windows.dim())
        windows = windows.permute(*range(self.axis + 1), *within, *spatial)
        return [windows.reshape(self.fitted[0])]
