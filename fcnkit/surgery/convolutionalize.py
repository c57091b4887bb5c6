"""Turns a classifier's inner products into convolutions, so that it slides over larger images.

An InnerProduct over a C x H x W bottom computes what a Convolution with an H x W kernel computes
where it fits once; on larger images the convolution computes it for every window (Long, Shelhamer,
Darrell, 2015, section 3.1). `fcnkit.surgery.transplant` moves the weights along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError, infer_shapes, pb
from caffeformat.messages import without_layers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def convolutionalize(
    net: pb.NetParameter, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> pb.NetParameter:
    """A copy of the filtered deploy `net` that computes its scores for every window of an image.

    InnerProduct layers become Convolutions and global poolings get a kernel, both of the size of
    their bottoms at the classifier's own input, which Input layers or `input_shapes` give; Flatten
    layers pass their bottom on. Layers keep names, multipliers and fillers, so weights match by
    name. Raises `InputError` for an InnerProduct that no convolution can replace.
    """
    result = without_layers(net)
    for layer in net.layer:
        made = result.layer.add()
        made.CopyFrom(layer)
        if layer.type == "InnerProduct":
            del result.layer[-1]
            bottom = infer_shapes(result, input_shapes)[layer.bottom[0]]
            result.layer.append(_convolution(layer, bottom))
        elif layer.type == "Pooling" and layer.pooling_param.global_pooling:
            bottom = infer_shapes(result, input_shapes)[layer.bottom[0]]
            made.pooling_param.ClearField("global_pooling")
            made.pooling_param.kernel_h, made.pooling_param.kernel_w = bottom[2:]
        elif layer.type == "Flatten" and layer.flatten_param.axis == 1:
            # A Concat of one blob is that blob.
            made.type = "Concat"
            made.ClearField("flatten_param")
    return result


def _convolution(layer: pb.LayerParameter, bottom: Sequence[int]) -> pb.LayerParameter:
    """The Convolution that computes what the InnerProduct `layer` does over a bottom's shape."""
    param = layer.inner_product_param
    if len(bottom) != 4 or param.axis != 1 or param.transpose:
        raise InputError(
            f'layer "{layer.name}": no convolution can replace it: expected a bottom of four '
            f"axes, axis 1 and weights that are not transposed; found the bottom {bottom}, axis "
            f"{param.axis}, transpose {str(param.transpose).lower()}"
        )
    made = pb.LayerParameter()
    made.CopyFrom(layer)
    made.type = "Convolution"
    made.ClearField("inner_product_param")
    made.convolution_param.num_output = param.num_output
    if not param.bias_term:
        made.convolution_param.bias_term = False
    if bottom[2] == bottom[3]:
        made.convolution_param.kernel_size.append(bottom[2])
    else:
        made.convolution_param.kernel_h, made.convolution_param.kernel_w = bottom[2:]
    for field in ("weight_filler", "bias_filler"):
        if param.HasField(field):
            getattr(made.convolution_param, field).CopyFrom(getattr(param, field))
    return made
