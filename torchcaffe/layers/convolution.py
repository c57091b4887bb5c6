"""Convolution, Deconvolution and Im2col."""

import math

import torch
import torch.nn.functional as F

from .base import Layer, Param, register
from .deconvolve import deconvolve

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class _Windows(Layer):
    """What layers with a convolution_param share: the geometry of windows over the last axes.

    Attributes after `setup`: `axis` (the channels'), and tuples of one number a spatial axis:
    `kernel`, `stride`, `pad`, `dilation`.
    """

    def setup(self, shapes):
        p = self.proto.convolution_param
        shape = shapes[0]
        self.axis = self.canonical_axis(p.axis, shape)
        spatial = len(shape) - self.axis - 1
        if not 1 <= spatial <= 3:
            raise self.error(
                f"works on 1 to 3 axes after the channels, but its bottom has shape {tuple(shape)} "
                f"with the channels on axis {self.axis}."
            )
        self.kernel = self._sizes(p, "kernel_size", "kernel", spatial, None)
        self.stride = self._sizes(p, "stride", "stride", spatial, 1)
        self.pad = self._sizes(p, "pad", "pad", spatial, 0)
        self.dilation = self._sizes(p, "dilation", None, spatial, 1)
        for field in ("kernel", "stride", "dilation"):
            if min(getattr(self, field)) < 1:
                raise self.error(f"{field} must be 1 or more, found {getattr(self, field)}.")
        return []

    def _sizes(self, p, field, prefix, spatial, default):
        """One number a spatial axis from `field`, repeated or not, or from its _h and _w forms."""
        listed = list(getattr(p, field))
        if prefix and (p.HasField(f"{prefix}_h") or p.HasField(f"{prefix}_w")):
            if spatial != 2 or listed:
                raise self.error(
                    f"{prefix}_h and {prefix}_w are for 2 spatial axes and exclude {field}; found "
                    f"{spatial} axes and {field} {listed}."
                )
            return (getattr(p, f"{prefix}_h"), getattr(p, f"{prefix}_w"))
        if not listed and default is not None:
            listed = [default]
        if len(listed) not in (1, spatial):
            raise self.error(
                f"{field} must be given once or {spatial} times (once a spatial axis), "
                f"found {len(listed)} times."
            )
        return tuple(listed) if len(listed) == spatial else tuple(listed * spatial)

    def extents(self):
        """How far a window reaches along each spatial axis, dilation counted."""
        return [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation)]

    def require_windows_fit(self, shape):
        """Refuse a bottom in which not even one window fits."""
        for size, pad, extent in zip(shape[self.axis + 1 :], self.pad, self.extents()):
            if size + 2 * pad < extent:
                raise self.error(
                    f"its kernel reaches over {tuple(self.extents())}, more than the padded "
                    f'bottom: "{self.proto.bottom[0]}" has shape {tuple(shape)}, pad is {self.pad}.'
                )

    def window_counts(self, shape):
        """How many windows fit along each spatial axis of a bottom of `shape`, rounded down."""
        return [
            (size + 2 * pad - extent) // stride + 1
            for size, pad, extent, stride in zip(
                shape[self.axis + 1 :], self.pad, self.extents(), self.stride
            )
        ]


class _Weighted(_Windows):
    """What Convolution and Deconvolution share: weights, bias, groups, any number of bottoms."""

    bottoms = tops = (1, None)
    output_is_free = True

    def setup(self, shapes):
        super().setup(shapes)
        p = self.proto.convolution_param
        self.group, self.bias, self.outputs = p.group, p.bias_term, p.num_output
        self.channels = shapes[0][self.axis]
        if self.outputs < 1:
            raise self.error("num_output must be 1 or more.")
        for what, number in (
            ("num_output", self.outputs),
            ("the bottom's channels", self.channels),
        ):
            if self.group < 1 or number % self.group:
                raise self.error(f"{what}, {number}, must divide into group: {self.group} parts.")
        params = [Param(self.weight_shape(), p.weight_filler)]
        if self.bias:
            params.append(Param((self.outputs,), p.bias_filler))
        return params

    def check(self, shapes):
        if len(self.proto.top) != len(self.proto.bottom):
            raise self.error(
                f"needs as many tops as bottoms; found {len(self.proto.top)} and "
                f"{len(self.proto.bottom)}."
            )
        if shapes[0][self.axis] != self.channels:
            raise self.error(
                f"its weights have shape {self.weight_shape()}, for {self.channels} channels, but "
                f'its bottom "{self.proto.bottom[0]}" has shape {tuple(shapes[0])}.'
            )
        self.require_same_shapes(shapes)

    def top_shapes(self, shapes):
        shape = shapes[0]
        top = (*shape[: self.axis], self.outputs, *self.spatial_shape(shape))
        return [top] * len(shapes)

    def forward(self, bottoms, params):
        bias = params[1] if self.bias else None
        tops = []
        for x in bottoms:
            batch = x.shape[: self.axis]
            if len(batch) != 1:  # channels on another axis than 1: what stands before is the batch
                x = x.reshape(-1, *x.shape[self.axis :])
            top = self.apply(x, params[0], bias)
            tops.append(top if len(batch) == 1 else top.reshape(*batch, *top.shape[1:]))
        return tops


@register("Convolution")
class Convolution(_Weighted):
    """Cross-correlation with learned filters over 1 to 3 axes.

    Weights: num_output x channels/group x kernel; bias: num_output. Output sizes round down.
    """

    def weight_shape(self):
        return (self.outputs, self.channels // self.group, *self.kernel)

    def check(self, shapes):
        super().check(shapes)
        self.require_windows_fit(shapes[0])

    def spatial_shape(self, shape):
        return self.window_counts(shape)

    def apply(self, x, weight, bias):
        if self._is_matrix_product(x, weight):
            return self._as_matrix_product(x, weight, bias)
        convolve = _CONVOLUTIONS[len(self.kernel)]
        return convolve(x, weight, bias, self.stride, self.pad, self.dilation, self.group)

    def _is_matrix_product(self, x, weight):
        """Whether unfolding the windows and one matrix product is the faster way on the CPU.

        It is where there is far more weight than image, as in convolutionalized classifiers:
        convolution routines first bring all weights into an order of their own.
        """
        if x.device.type != "cpu" or len(self.kernel) != 2 or self.group != 1 or len(x) != 1:
            return False
        positions = math.prod(self.window_counts(x.shape))
        return weight.numel() // self.outputs >= 2 * positions and self.outputs >= 2 * positions

    def _as_matrix_product(self, x, weight, bias):
        if max(self.kernel) == 1 and max(self.stride) == 1 and not any(self.pad):
            columns = x[0].flatten(1)
        else:
            columns = F.unfold(x, self.kernel, self.dilation, self.pad, self.stride)[0]
        memory = getattr(weight, "gradient_memory", None)
        top = _MatrixProduct.apply(weight.flatten(1), columns, bias, memory)
        return top.view(1, self.outputs, *self.window_counts(x.shape))


class _MatrixProduct(torch.autograd.Function):
    """weight (O x K) times columns (K x L), plus a bias a row.

    The gradient of a large weight is computed in the memory that `gradient_memory` of its Blob
    names: fresh memory would have to be mapped page by page, and added up afterwards.
    """

    @staticmethod
    def forward(ctx, weight, columns, bias, gradient_memory):
        ctx.save_for_backward(weight, columns)
        ctx.gradient_memory = gradient_memory
        return weight @ columns if bias is None else torch.addmm(bias[:, None], weight, columns)

    @staticmethod
    def backward(ctx, diff):
        weight, columns = ctx.saved_tensors
        for_weight = for_columns = for_bias = None
        if ctx.needs_input_grad[0]:
            memory, holds_diff = ctx.gradient_memory() if ctx.gradient_memory else (None, False)
            if holds_diff:
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

    def weight_shape(self):
        return (self.channels, self.outputs // self.group, *self.kernel)

    def check(self, shapes):
        super().check(shapes)
        if min(self.spatial_shape(shapes[0])) < 1:
            raise self.error(
                f"pad {self.pad} leaves nothing of the output for a bottom of shape "
                f"{tuple(shapes[0])}."
            )

    def spatial_shape(self, shape):
        return [
            stride * (size - 1) + extent - 2 * pad
            for size, pad, extent, stride in zip(
                shape[self.axis + 1 :], self.pad, self.extents(), self.stride
            )
        ]

    def apply(self, x, weight, bias):
        return deconvolve(x, weight, bias, self.stride, self.pad, self.dilation, self.group)


@register("Im2col")
class Im2col(_Windows):
    """The windows of a convolution as columns: N x (C times kernel) x outputs."""

    def check(self, shapes):
        self.require_windows_fit(shapes[0])

    def top_shapes(self, shapes):
        shape = shapes[0]
        channels = shape[self.axis] * math.prod(self.kernel)
        return [(*shape[: self.axis], channels, *self.window_counts(shape))]

    def forward(self, bottoms, params):
        x = bottoms[0]
        windows = F.pad(x, [side for pad in reversed(self.pad) for side in (pad, pad)])
        spatial = range(self.axis + 1, x.dim())
        for axis, extent, stride in zip(spatial, self.extents(), self.stride):
            windows = windows.unfold(axis, extent, stride)
        # Now: batch, channels, outputs, then each window, from which dilation leaves some.
        windows = windows[(..., *(slice(None, None, step) for step in self.dilation))]
        within = range(x.dim(), windows.dim())
        windows = windows.permute(*range(self.axis + 1), *within, *spatial)
        return [windows.reshape(self.top_shapes([x.shape])[0])]
