"""Parts of Berkeley's FCNs on VGG-16: the network of one input, the recipe and Python inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffeformat import pb

from . import vgg
from .blocks import segmentation_loss, train_val

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from caffeformat import NetSpec
    from caffeformat.messages import Top

    from .blocks import Files
    from .recipes import Recipe


def fcn(
    n: NetSpec,
    data: Top,
    heads: int | Mapping[str, int],
    stride: int,
    at_once: bool = False,
    learned: bool = False,
    **trunk: Any,
) -> None:
    """Add VGG-16 and its FCN heads to `n` on top of `data`.

    heads: the number of classes, or that of each head by its suffix; stride, at_once, learned: see
    `vgg.fcn_head`; trunk: `width`, `batch_norm` and `pad` of `vgg.fcn_trunk`.
    """
    tops = vgg.fcn_trunk(n, data, **trunk)
    for suffix, classes in ({"": heads} if isinstance(heads, int) else heads).items():
        vgg.fcn_head(n, tops, data, classes, stride, suffix, at_once, learned)


def python_files(
    network: str,
    deploy: pb.NetParameter,
    inputs: Sequence[pb.LayerParameter],
    heads: Iterable[tuple[str, str]],
    recipe: Recipe,
) -> Files:
    """The files of a network that reads its images through Python layers.

    heads: suffix and label blob of each score.
    """
    losses = [
        segmentation_loss(False, score=f"score{suffix}", label=label, name=f"loss{suffix}")
        for suffix, label in heads
    ]
    return {
        "train_val.prototxt": train_val(deploy, inputs, losses),
        "deploy.prototxt": deploy,
        "solver.prototxt": recipe(network),
    }


def siftflow_inputs() -> list[pb.LayerParameter]:
    """Make the layers for SIFT Flow's images, semantic and geometric labels: data, sem and geo."""
    settings = {"siftflow_dir": "../data/sift-flow"}
    return _python_layers(
        "siftflow_layers", "SIFTFlowSegDataLayer", ["data", "sem", "geo"], settings
    )


def nyud_inputs(blobs: Mapping[str, str]) -> list[pb.LayerParameter]:
    """Make the layers for NYUDv2's images and their label.

    blobs: what each blob holds, by its name: color, depth or hha.
    """
    settings = {"nyud_dir": "../data/nyud", "tops": [*blobs.values(), "label"]}
    return _python_layers("nyud_layers", "NYUDSegDataLayer", [*blobs, "label"], settings)


def _python_layers(
    module: str, layer: str, tops: Sequence[str], settings: Mapping[str, Any]
) -> list[pb.LayerParameter]:
    made = []
    for phase, split in ((pb.TRAIN, "trainval"), (pb.TEST, "test")):
        message = pb.LayerParameter(name="data", type="Python", top=tops)
        message.include.add(phase=phase)
        message.python_param.module = module
        message.python_param.layer = layer
        message.python_param.param_str = str({**settings, "split": split, "seed": 1337})
        made.append(message)
    return made
