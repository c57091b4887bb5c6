"""Upgrades old forms of nets and solvers to the current one, as Caffe does when loading them."""

from __future__ import annotations

from typing import Any

from caffeformat.errors import InputError

from . import pb
from .dialects import place_crops, read_dialects
from .upgrade_v0 import needs_v0_upgrade, upgrade_v0, v1_type_of

# V1 types whose current name is not simply the old one in CapWords
_TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ARGMAX": "ArgMax",
    "BN": "BN",
    "BNLL": "BNLL",
    "DENSE_CRF": "DenseCRF",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "IM2COL": "Im2col",
    "LRN": "LRN",
    "MVN": "MVN",
    "RELU": "ReLU",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
}
_V1_ONLY = ("type", "param", "blob_share_mode", "blobs_lr", "weight_decay", "layer")
_TRANSFORMED = ("scale", "mean_file", "crop_size", "mirror")
_SOLVER_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}


def upgrade_net(net: pb.NetParameter) -> list[str]:
    """Upgrade a NetParameter to the current form in place; returns notes on what was done.

    V0 and V1 layers become `layer`, transformation fields of V1 data layers move to
    `transform_param`, `input` fields become an Input layer, BatchNorm layers with three `param`s
    get multipliers of 0, and other spellings BVLC Caffe's (see `dialects.py`). Raises `InputError`
    if that is not possible.
    """
    notes: list[str] = []
    if net.layers and net.layer:
        raise InputError(f'net "{net.name}": has both "layer" and the older "layers"; keep one')
    if needs_v0_upgrade(net):
        upgrade_v0(net)
        notes.append("V0 layers upgraded")
    if net.layers:
        for old in net.layers:
            _upgrade_v1_layer(old, net.layer.add())
        crop = pb.V1LayerParameter.LayerType.Value("CROP")
        crops = [i for i, old in enumerate(net.layers) if old.type == crop]
        notes += place_crops(net, crops)
        notes.append(f"{len(net.layers)} V1 layers upgraded")
        net.ClearField("layers")
    notes += read_dialects(net)
    if net.input:
        _upgrade_input(net)
        notes.append("input fields turned into an Input layer")
    for layer in net.layer:
        if layer.type == "BatchNorm" and len(layer.param) == 3:
            if any(param.lr_mult or param.decay_mult for param in layer.param):
                notes.append(f'layer "{layer.name}": multipliers of its statistics set to 0')
            for param in layer.param:
                param.lr_mult = param.decay_mult = 0
    return notes


def upgrade_solver(solver: pb.SolverParameter) -> list[str]:
    """Upgrade a SolverParameter to the current form in place; returns notes on what was done.

    `solver_type` becomes `type` (having both is an `InputError`) and nets inside are upgraded.
    """
    notes: list[str] = []
    if solver.HasField("solver_type"):
        if solver.HasField("type"):
            raise InputError(
                f'solver: has both type "{solver.type}" and the older solver_type; keep only "type"'
            )
        old = pb.SolverParameter.SolverType.Name(solver.solver_type)
        solver.type = _SOLVER_TYPES[old]
        solver.ClearField("solver_type")
        notes.append(f'solver_type {old} turned into type "{solver.type}"')
    inner = [getattr(solver, n) for n in ("net_param", "train_net_param") if solver.HasField(n)]
    for net in inner + list(solver.test_net_param):
        notes += upgrade_net(net)
    return notes


def v1_type_name(number: int) -> str:
    """Today's name (`Convolution`) of a V1 layer type.

    Empty for NONE and for numbers that Caffe does not know.
    """
    value = pb.V1LayerParameter.LayerType.DESCRIPTOR.values_by_number.get(number)
    name = "NONE" if value is None else value.name
    return _current_type(name)


def _current_type(v1_name: str) -> str:
    return _TYPES.get(v1_name, v1_name.title().replace("_", ""))


def v0_type_name(v0_type: str) -> str:
    """Today's name of the V0 layer type `v0_type` (`conv`); empty for unknown types."""
    return _current_type(v1_type_of(v0_type))


def _upgrade_v1_layer(old: pb.V1LayerParameter, new: pb.LayerParameter) -> None:
    for field, value in old.ListFields():
        if field.name in _V1_ONLY:
            continue
        target = getattr(new, field.name)
        if hasattr(target, "extend"):
            target.extend(value)
        elif field.message_type is not None:
            target.CopyFrom(value)
        else:
            setattr(new, field.name, value)
    new.type = v1_type_name(old.type)
    if not new.type:
        raise InputError(f'layer "{old.name}": a V1 layer without a type')
    for index, name in enumerate(old.param):
        _param(new, index).name = name
    for index, mode in enumerate(old.blob_share_mode):
        _param(new, index).share_mode = mode
    for index, multiplier in enumerate(old.blobs_lr):
        _param(new, index).lr_mult = multiplier
    for index, multiplier in enumerate(old.weight_decay):
        _param(new, index).decay_mult = multiplier
    for name in ("data_param", "image_data_param", "window_data_param"):
        if new.HasField(name):
            _move_transformation(getattr(new, name), new.transform_param)


def _param(layer: pb.LayerParameter, index: int) -> pb.ParamSpec:
    while len(layer.param) <= index:
        layer.param.add()
    return layer.param[index]


def _move_transformation(data_param: Any, transform_param: pb.TransformationParameter) -> None:
    for name in _TRANSFORMED:
        if data_param.HasField(name):
            setattr(transform_param, name, getattr(data_param, name))
            data_param.ClearField(name)


def _upgrade_input(net: pb.NetParameter) -> None:
    """Turn `input` with `input_shape` or groups of four `input_dim` into a first Input layer."""
    count, shapes, dims = len(net.input), len(net.input_shape), len(net.input_dim)
    if shapes and dims:
        raise InputError(f'net "{net.name}": has both input_shape and input_dim; keep one')
    if (shapes and shapes != count) or (dims and dims != 4 * count):
        found = f"{shapes} input_shape" if shapes else f"{dims} input_dim"
        raise InputError(
            f'net "{net.name}": {found} for {count} input (each needs one input_shape '
            "or four input_dim)"
        )
    if shapes or dims:
        layers = list(net.layer)
        first = type(net)().layer.add(name="input", type="Input", top=net.input)
        for index in range(count):
            shape = first.input_param.shape.add()
            shape.dim.extend(
                net.input_shape[index].dim if shapes else net.input_dim[4 * index : 4 * index + 4]
            )
        del net.layer[:]
        net.layer.extend([first] + layers)
    for name in ("input", "input_shape", "input_dim"):
        net.ClearField(name)
