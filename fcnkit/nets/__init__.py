"""What a net's layers are for, and its parameters, without an engine."""

from .crop_check import check_crops, is_right
from .fillers import bilinear_kernel, can_interpolate, fill, interpolation_weights
from .parameters import Parameter, image_shapes, net_parameters
from .roles import DATA_TYPES, Head, data_layers, deploy_net, head, is_label, loss_weights

__all__ = [
    "DATA_TYPES",
    "Head",
    "Parameter",
    "bilinear_kernel",
    "can_interpolate",
    "check_crops",
    "data_layers",
    "deploy_net",
    "fill",
    "head",
    "image_shapes",
    "interpolation_weights",
    "is_label",
    "is_right",
    "loss_weights",
    "net_parameters",
]
