"""Networks that models are made of: the zoo's, pasted prototxts, and what is wrong with those."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from caffeformat import (
    FormatError,
    InputError,
    draw_network,
    filter_net,
    infer_shapes,
    open_text,
    parse_text,
    pb,
    read_bytes,
    read_net,
    read_solver,
    reading,
    upgrade_net,
)
from fcnkit import nets, zoo

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PROTOTXT = 2 << 20  # characters

# Layers that read or write files of their own choice, or run code.
_FORBIDDEN = {
    "Python": "runs code",
    "HDF5Data": "reads files of its own choice",
    "HDF5Output": "writes a file of its own choice",
    "ImageData": "reads files of its own choice",
    "ImageSegData": "reads files of its own choice",
    "DenseImageData": "reads files of its own choice",
    "WindowData": "reads files of its own choice",
    "MatWrite": "writes files of its own choice",
    "MatRead": "reads files of its own choice",
}
# Fields that name files, wherever they are.
_FILE_FIELDS = ("source", "mean_file", "root_folder", "label_map_file", "file_name", "prefix")


class Trouble(NamedTuple):
    """What is wrong with a pasted network, and where; lines and columns count from 1."""

    text: str
    line: int | None = None
    column: int | None = None


class Looked(NamedTuple):
    """What a look at a network's text found.

    troubles   why it cannot be used; usually empty
    warnings   what may be a mistake
    layers     (name, type, shape of its top) of the training net
    classes    how many it scores, or None
    """

    troubles: list[Trouble]
    warnings: list[str]
    layers: list[tuple[str, str, str]]
    classes: int | None


@functools.lru_cache(maxsize=1)
def segmentation_networks() -> dict[str, str]:
    """Return {name: the file to train} of the zoo's networks that read a dataset's databases."""
    found = {}
    for name in zoo.networks():
        for file in ("train_val.prototxt", f"{name}.prototxt"):
            try:
                with open_text(zoo.path(name, file)) as opened:
                    text = opened.read()
            except InputError:
                continue
            if 'type: "Python"' not in text and 'top: "label"' in text and '"Crop"' in text:
                found[name] = file
            break
    return found


@functools.lru_cache(maxsize=1)
def classifiers() -> list[str]:
    """Return the names of the zoo's classifiers, which surgery makes FCNs of."""
    known = segmentation_networks()
    found = []
    for name in zoo.networks():
        if name in known:
            continue
        with open_text(zoo.path(name, "deploy.prototxt")) as opened:
            text = opened.read()
        if '"InnerProduct"' in text:
            found.append(name)
    return found


@functools.lru_cache(maxsize=64)
def card(name: str) -> str:
    """Return the card of a network of the zoo, Markdown; empty where it has none."""
    path = os.path.join(os.path.dirname(zoo.path(name, "deploy.prototxt")), "README.md")
    try:
        with open_text(path) as file:
            return file.read()
    except InputError:
        return ""


@functools.lru_cache(maxsize=16)
def drawn(name: str) -> str:
    """Return a picture of a network of the zoo, SVG."""
    return draw_network(read_net(zoo.path(name, "deploy.prototxt"))).svg()


@functools.lru_cache(maxsize=64)
def recipe(name: str) -> dict[str, Any]:
    """Return the form's values of a network's own recipe; times are left to the form.

    Steps of the learning rate become per cent of the run.
    """
    solver = read_solver(zoo.path(name, "solver.prototxt"))
    total = max(1, solver.max_iter)
    values: dict[str, Any] = {
        "learning_rate": f"{solver.base_lr:g}",
        "lr_policy": solver.lr_policy,
        "momentum": round(solver.momentum, 6),
        "weight_decay": round(solver.weight_decay, 8),
        "batch_accumulation": solver.iter_size,
        "solver_type": solver.type,
    }
    if solver.lr_policy == "step":
        values.update(lr_step_size=100 * solver.stepsize / total, lr_step_gamma=solver.gamma)
    elif solver.lr_policy == "multistep":
        times = ", ".join(f"{100 * value / total:g}" for value in solver.stepvalue)
        values.update(lr_multistep_values=times, lr_multistep_gamma=solver.gamma)
    elif solver.lr_policy == "poly":
        values["lr_poly_power"] = solver.power
    return {
        key: round(value, 6) if isinstance(value, float) else value for key, value in values.items()
    }


def zoo_net(name: str, classes: int) -> pb.NetParameter:
    """Return the net of the zoo to train, with `classes` outputs."""
    file = segmentation_networks().get(name)
    if file is None:
        raise InputError(f"{name}: is no network of the zoo that trains on a dataset")
    made = zoo.spec(name).files(classes=classes)[file]
    assert isinstance(made, pb.NetParameter)
    return made


def pasted_net(text: str) -> pb.NetParameter:
    """Return the net of a pasted prototxt, upgraded; `InputError` where it cannot be used."""
    if len(text) > MAX_PROTOTXT:
        raise InputError(f"the network has {len(text)} characters; at most {MAX_PROTOTXT} are read")
    if not text.strip():
        raise InputError("the network is empty: paste a prototxt")
    net = parse_text(text, pb.NetParameter, "network")
    upgrade_net(net)
    check_harmless(net)
    return net


def net_of_file(path: str) -> pb.NetParameter:
    """Return the net of a prototxt file, as `pasted_net` does of a text."""
    data = read_bytes(path, MAX_PROTOTXT)
    with reading(os.path.basename(path), "is not a prototxt"):
        text = data.decode("utf-8-sig")
    return pasted_net(text)


def check_harmless(net: pb.NetParameter) -> None:
    """Raise `InputError` for a net that names files or code: data comes from the dataset."""
    for layer in net.layer:
        if layer.type in _FORBIDDEN:
            raise InputError(
                f"layer {layer.name!r}: a {layer.type} layer {_FORBIDDEN[layer.type]}, which a "
                "network that comes through a page may not: use Data layers without a source"
            )
        for field in _named_files(layer):
            raise InputError(
                f"layer {layer.name!r}: {field} names a file, which a network that comes through "
                "a page may not: leave it out, it is set from the dataset"
            )


def _named_files(message: Any) -> Iterator[str]:
    for field, value in message.ListFields():
        if field.message_type is None:
            if field.name in _FILE_FIELDS and value:
                yield field.name
            continue
        try:
            parts = [value] if hasattr(value, "ListFields") else list(value)
        except TypeError:
            continue
        for part in parts:
            if hasattr(part, "ListFields"):
                yield from _named_files(part)


def look_at(text: str, classes: int | None = None, side: tuple[int, int] = (500, 500)) -> Looked:
    """Look at a pasted network as it will train on images of `side` (height, width).

    `classes` is the number of classes of the dataset.
    """
    try:
        net = pasted_net(text)
    except FormatError as error:
        return Looked([Trouble(error.problem, error.line, error.column)], [], [], None)
    except InputError as error:
        return Looked([Trouble(error.for_command_line())], [], [], None)
    train = filter_net(net, pb.TRAIN, stages=["train"])
    troubles, warnings = [], []
    if not nets.data_layers(train):
        troubles.append(Trouble("the training net has no Data layers for images and labels"))
    head = nets.head(train)
    if head is None:
        troubles.append(Trouble("the training net has no SoftmaxWithLoss on labels"))
    scored = None
    layers = []
    try:
        deploy, _ = nets.deploy_net(net, side)
        shapes = infer_shapes(deploy)
        for layer in deploy.layer:
            shape = shapes.get(layer.top[0]) if layer.top else None
            layers.append((layer.name, layer.type, "x".join(map(str, shape or ()))))
        for check in nets.check_crops(deploy):
            if check.expected is None:
                warnings.append(f"layer {check.layer!r}: {check.problem}")
            elif not nets.is_right(check):
                has, expected = (", ".join(map(str, pair)) for pair in (check.has, check.expected))
                warnings.append(
                    f"layer {check.layer!r}: crops at offset {has}; the geometry of the net asks "
                    f"for {expected}"
                )
        scored = nets.count_classes(train)
    except InputError as error:
        troubles.append(Trouble(error.for_command_line()))
    if classes is not None and scored is not None and scored < classes:
        warnings.append(
            f"the net scores {scored} classes, the dataset has {classes}: set num_output of its "
            f"scoring layer to {classes}"
        )
    return Looked(troubles, warnings, layers, scored)


def batch_size(net: pb.NetParameter) -> int:
    """Return how many images the training net of `net` reads per pass; 1 where it does not say."""
    train = filter_net(net, pb.TRAIN, stages=["train"])
    for layer in nets.data_layers(train):
        if layer.type == "Data" and layer.data_param.batch_size:
            return int(layer.data_param.batch_size)
    return 1


def subtract_mean(net: pb.NetParameter, mean: list[float]) -> None:
    """Make the Data layers for images subtract `mean`, a value per channel (BGR for three)."""
    for layer in net.layer:
        if layer.type == "Data" and layer.top and not nets.is_label(layer.top[0]):
            layer.transform_param.ClearField("mean_file")
            del layer.transform_param.mean_value[:]
            layer.transform_param.mean_value.extend(mean)
