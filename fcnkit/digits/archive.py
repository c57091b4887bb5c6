"""Writes a net with its weights as an archive that DIGITS imports as a pretrained model.

DIGITS 5 and 6 take it on "Pretrained Models > Upload Archive": the name and the files that
`info.json` names, and from them the network that a new model starts from. `open_model` reads it for
inference.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import (
    InputError,
    atomic_write,
    infer_shapes,
    pb,
    write_blob,
    write_caffemodel,
    write_text,
)
from caffeformat.messages import keys_of_layers, without_layers
from fcnkit.files import write_json
from fcnkit.images import IGNORE_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caffeformat import Weights
    from fcnkit.images import Preprocessor

_SCALE = "input_scale"


def write_archive(
    path: str | os.PathLike[str],
    net: pb.NetParameter,
    weights: Weights,
    preprocessor: Preprocessor | None = None,
    names: Sequence[str] | None = None,
    iteration: int = 1,
) -> list[str]:
    """Write the deployed `net` and its `Weights` to `path`, a `.tar.gz`; returns its files' names.

    `preprocessor` is what the net's images go through: DIGITS subtracts the mean of each channel
    itself; a scale becomes a layer of the net, since DIGITS has none. `names` are those of the
    classes, `iteration` the snapshot's. Raises `InputError` for nets without one image as input and
    class scores as output, and for a mean that is an image of another size.
    """
    image, score = _image_and_score(net)
    shape = infer_shapes(net)[image]
    net = _scaled(net, image, 1.0 if preprocessor is None else preprocessor.scale)
    mean = None if preprocessor is None else preprocessor.mean
    if preprocessor is not None:
        _refuse_rgb(preprocessor, shape[1])
    snapshot = f"snapshot_iter_{iteration}.caffemodel"
    info: dict[str, object] = {
        "name": net.name or "net",
        "framework": "caffe",
        "deploy file": "deploy.prototxt",
        "network file": "original.prototxt",
        "snapshot file": snapshot,
        "image dimensions": [*shape[2:], shape[1]],
        "image resize mode": "squash",
        "mean subtraction": "none" if mean is None else "pixel" if mean.ndim == 1 else "image",
    }
    with tempfile.TemporaryDirectory(prefix="fcnkit-digits-") as folder:
        write_text(os.path.join(folder, "deploy.prototxt"), net)
        write_text(os.path.join(folder, "original.prototxt"), _all_in_one(net, image, score))
        kept = {key: weights[key] for key in keys_of_layers(net.layer) if key in weights}
        write_caffemodel(os.path.join(folder, snapshot), kept, net)
        if mean is not None:
            info["mean file"] = "mean.binaryproto"
            write_blob(os.path.join(folder, "mean.binaryproto"), _mean_image(mean, shape))
        if names:
            info["labels file"] = "labels.txt"
            with open(os.path.join(folder, "labels.txt"), "w", encoding="utf-8") as file:
                file.writelines(f"{name}\n" for name in names)
        write_json(os.path.join(folder, "info.json"), info)
        # DIGITS looks for a member of exactly this name.
        members = ["info.json", *sorted(set(os.listdir(folder)) - {"info.json"})]
        with atomic_write(path) as target, tarfile.open(fileobj=target, mode="w:gz") as archive:
            for name in members:
                archive.add(os.path.join(folder, name), name, filter=_without_owner)
    return members


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member


def _image_and_score(net: pb.NetParameter) -> tuple[str, str]:
    inputs = [top for layer in net.layer if layer.type == "Input" for top in layer.top]
    shapes = infer_shapes(net)
    used = {bottom for layer in net.layer for bottom in layer.bottom}
    outputs = [blob for blob in shapes if blob not in used and blob not in inputs]
    if len(inputs) != 1 or len(shapes[inputs[0]]) != 4 or len(outputs) != 1:
        raise InputError(
            "a DIGITS archive needs a net with one image as input and one output: this one has the "
            f"inputs {', '.join(inputs) or 'none'} and the outputs {', '.join(outputs) or 'none'}"
        )
    return inputs[0], outputs[0]


def _refuse_rgb(preprocessor: Preprocessor, channels: int) -> None:
    if channels == 3 and preprocessor.channels != "BGR":
        raise InputError("DIGITS feeds nets with BGR, this one reads RGB: swap its channels first")


def _scaled(net: pb.NetParameter, image: str, scale: float) -> pb.NetParameter:
    """`net` with a layer that multiplies its input by `scale`, where that is not 1."""
    if scale == 1:
        return net
    made = without_layers(net)
    for layer in net.layer:
        copy = made.layer.add()
        copy.CopyFrom(layer)
        copy.bottom[:] = [_SCALE if bottom == image else bottom for bottom in layer.bottom]
        if image in layer.top:
            power = made.layer.add(name=_SCALE, type="Power", bottom=[image], top=[_SCALE])
            power.power_param.scale = scale
    return made


def _mean_image(mean: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.float32]:
    """`mean`, of channels or an image, as the blob of one image of `shape` (N x C x H x W)."""
    planes = mean.reshape(mean.shape[0], 1, 1) if mean.ndim == 1 else mean
    if planes.shape[0] not in (1, shape[1]) or (
        mean.ndim == 3 and mean.shape[1:] != tuple(shape[2:])
    ):
        raise InputError(
            f"the mean has the shape {mean.shape}, the net's input {tuple(shape[1:])}: pass a mean "
            "of that size, or one value per channel"
        )
    return np.array(np.broadcast_to(planes, shape[1:])[None], np.float32)


def _all_in_one(net: pb.NetParameter, image: str, score: str) -> pb.NetParameter:
    """`net` as DIGITS wants a network of its own: data, training and deployment in one text."""
    made = pb.NetParameter(name=net.name)
    for top in (image, "label"):
        for phase in (pb.TRAIN, pb.TEST):
            layer = made.layer.add(name=top, type="Data", top=[top])
            layer.include.add(phase=phase)
            layer.data_param.batch_size = 1
            layer.data_param.backend = pb.DataParameter.LMDB
    made.layer.extend(layer for layer in net.layer if layer.type != "Input")
    loss = made.layer.add(
        name="loss", type="SoftmaxWithLoss", bottom=[score, "label"], top=["loss"]
    )
    loss.exclude.add(stage=["deploy"])
    loss.loss_param.ignore_label = IGNORE_LABEL
    return made
