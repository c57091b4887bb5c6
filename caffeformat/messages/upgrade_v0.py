"""Upgrades the oldest nets (V0: `layers { layer { type: "conv" ... } }`) to V1.

V0 had the parameters of all layer types in one flat message, and padding was a separate layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffeformat.errors import InputError

if TYPE_CHECKING:
    from . import pb


_DATA_TYPES = ("data", "images", "window_data")
# V0 type -> (V1 type, the parameter message to which its fields moved, or None)
_TYPES: dict[str, tuple[str, str | None]] = {
    "accuracy": ("ACCURACY", None),
    "bnll": ("BNLL", None),
    "concat": ("CONCAT", "concat_param"),
    "conv": ("CONVOLUTION", "convolution_param"),
    "data": ("DATA", "data_param"),
    "dropout": ("DROPOUT", "dropout_param"),
    "euclidean_loss": ("EUCLIDEAN_LOSS", None),
    "flatten": ("FLATTEN", None),
    "hdf5_data": ("HDF5_DATA", "hdf5_data_param"),
    "hdf5_output": ("HDF5_OUTPUT", "hdf5_output_param"),
    "im2col": ("IM2COL", "convolution_param"),
    "images": ("IMAGE_DATA", "image_data_param"),
    "infogain_loss": ("INFOGAIN_LOSS", "infogain_loss_param"),
    "innerproduct": ("INNER_PRODUCT", "inner_product_param"),
    "lrn": ("LRN", "lrn_param"),
    "multinomial_logistic_loss": ("MULTINOMIAL_LOGISTIC_LOSS", None),
    "pool": ("POOLING", "pooling_param"),
    "relu": ("RELU", None),
    "sigmoid": ("SIGMOID", None),
    "softmax": ("SOFTMAX", None),
    "softmax_loss": ("SOFTMAX_LOSS", None),
    "split": ("SPLIT", None),
    "tanh": ("TANH", None),
    "window_data": ("WINDOW_DATA", "window_data_param"),
}
# V0 field -> its name in the type's parameter message, if that differs
_RENAMED = {
    "biasterm": "bias_term",
    "kernelsize": "kernel_size",
    "batchsize": "batch_size",
    "shuffle_images": "shuffle",
    "det_fg_threshold": "fg_threshold",
    "det_bg_threshold": "bg_threshold",
    "det_fg_fraction": "fg_fraction",
    "det_context_pad": "context_pad",
    "det_crop_mode": "crop_mode",
}
# V0 field -> its name in transform_param (data layers)
_TRANSFORM = {
    "scale": "scale",
    "meanfile": "mean_file",
    "cropsize": "crop_size",
    "mirror": "mirror",
}


def needs_v0_upgrade(net: pb.NetParameter) -> bool:
    """Whether any layer of `net` is in V0's form."""
    return any(layer.HasField("layer") for layer in net.layers)


def upgrade_v0(net: pb.NetParameter) -> None:
    """Turn the V0 layers of `net` into V1 layers, in place.

    Padding layers become the `pad` of the convolution or pooling that follows them. Raises
    `InputError` for unknown types, fields that a type does not have, and padding elsewhere.
    """
    old = list(net.layers)
    new: list[pb.V1LayerParameter] = []
    made_by: dict[str, pb.V1LayerParameter] = {}
    for connection in old:
        if not connection.HasField("layer"):
            new.append(connection)
            made_by.update((top, connection) for top in connection.top)
            continue
        upgraded = type(connection)()
        upgraded.CopyFrom(connection)
        if connection.layer.type != "padding":
            _absorb_padding(upgraded, made_by)
            _upgrade_layer(upgraded)
            new.append(upgraded)
        made_by.update((top, connection) for top in connection.top)
    del net.layers[:]
    net.layers.extend(new)


def v1_type_of(v0_type: str) -> str:
    """The V1 name (`CONVOLUTION`) of the V0 type `v0_type` (`conv`), or NONE."""
    return _TYPES.get(v0_type, ("NONE", None))[0]


def _absorb_padding(
    connection: pb.V1LayerParameter, made_by: dict[str, pb.V1LayerParameter]
) -> None:
    layer = connection.layer
    for index, bottom in enumerate(connection.bottom):
        source = made_by.get(bottom)
        if source is None or source.layer.type != "padding":
            continue
        if layer.type not in ("conv", "pool") or layer.pad or len(source.bottom) != 1:
            raise InputError(
                f'layer "{layer.name}": a {layer.type} layer whose bottom "{bottom}" is padded by '
                f'layer "{source.layer.name}"; only conv and pool layers without pad can be'
            )
        layer.pad = source.layer.pad
        connection.bottom[index] = source.bottom[0]


def _upgrade_layer(connection: pb.V1LayerParameter) -> None:
    """Move the fields of `connection.layer` to their places in V1."""
    layer = connection.layer
    if layer.type not in _TYPES:
        raise InputError(
            f'layer "{layer.name}": unknown type "{layer.type}" in the oldest (V0) form of nets; '
            f"known are {', '.join(sorted(_TYPES))}"
        )
    type_name, param_name = _TYPES[layer.type]
    connection.type = type(connection).LayerType.Value(type_name)
    connection.name = layer.name
    for field, value in layer.ListFields():
        if field.name in ("name", "type"):
            continue
        if field.name in ("blobs", "blobs_lr", "weight_decay"):
            getattr(connection, field.name).extend(value)
        elif field.name in _TRANSFORM and layer.type in _DATA_TYPES:
            setattr(connection.transform_param, _TRANSFORM[field.name], value)
        elif field.name == "hdf5_output_param":
            connection.hdf5_output_param.CopyFrom(value)
        else:
            _set_parameter(connection, param_name, field.name, value)
    connection.ClearField("layer")


def _set_parameter(
    connection: pb.V1LayerParameter, param_name: str | None, v0_name: str, value: Any
) -> None:
    layer = connection.layer
    name = _RENAMED.get(v0_name, v0_name)
    param: Any = None if param_name is None else getattr(connection, param_name)
    field = None if param is None else param.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        raise InputError(f'layer "{layer.name}": "{v0_name}" is not a field of type "{layer.type}"')
    if field.message_type is not None:
        getattr(param, name).CopyFrom(value)
    elif isinstance(getattr(type(param)(), name), (int, float, str, bool)):
        setattr(param, name, value)
    else:
        getattr(param, name).append(value)
