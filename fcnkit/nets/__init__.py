"""Reads nets as messages: the roles of layers, their parameters, fillers and crop offsets.

Nothing here needs an engine.
"""

from __future__ import annotations

from .batches import mixes_images
from .channels import channels_of_weights, declared_channels, image_convolutions
from .crop_check import CropCheck, check_crops, is_right
from .fillers import bilinear_kernel, can_interpolate, fill, interpolation_weights
from .image_sizes import (
    ImageSizes,
    SizeSearch,
    declared_size,
    has_probabilities,
    score_blob,
    window_starts,
)
from .parameters import Parameter, image_shapes, net_parameters
from .roles import (
    DATA_TYPES,
    Head,
    count_classes,
    data_layers,
    deploy_net,
    head,
    is_label,
    loss_weights,
)

__all__ = [
    "DATA_TYPES",
    "CropCheck",
    "Head",
    "ImageSizes",
    "Parameter",
    "SizeSearch",
    "bilinear_kernel",
    "can_interpolate",
    "channels_of_weights",
    "check_crops",
    "count_classes",
    "data_layers",
    "declared_channels",
    "declared_size",
    "deploy_net",
    "fill",
    "has_probabilities",
    "head",
    "image_convolutions",
    "image_shapes",
    "interpolation_weights",
    "is_label",
    "is_right",
    "loss_weights",
    "mixes_images",
    "net_parameters",
    "score_blob",
    "window_starts",
]
