"""Parts of networks on dilated ResNets: heads, resizing from stride 8, the auxiliary loss.

The heads are GluonCV's, two convolutions on a stage of the trunk. Scores are resized to the image;
nothing is padded by 100.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from caffeformat import layers as L
from caffeformat import pb

from . import resnet
from .blocks import segmentation_loss, train_val, upsampling
from .segmentation import Segmentation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Callable

    from caffeformat import NetSpec
    from caffeformat.messages import Top

    from .blocks import Files
    from .recipes import Recipe

# Heads learn this much faster than what comes from a classifier.
HEAD_RATE = 10

# Prefix of the layers of the auxiliary head, which only training needs.
_AUXILIARY = "aux"


def batch_norm(fraction: float, frozen: bool) -> dict[str, Any]:
    """Settings of BatchNorm: stored statistics if `frozen`, else averages that move.

    fraction: how much of the statistics stays in each step.
    """
    return {"use_global_stats": True} if frozen else {"moving_average_fraction": fraction}


def head_units(n: NetSpec, settings: Mapping[str, Any]) -> resnet.Units:
    """`Units` for heads: `<name>_bn`, `<name>_scale` and `<name>_relu` follow `<name>`."""

    def names(name: str) -> tuple[str, str, str]:
        return f"{name}_bn", f"{name}_scale", f"{name}_relu"

    return resnet.Units(n, names, True, settings, HEAD_RATE)


def head(
    units: resnet.Units,
    name: str,
    bottom: Top,
    channels: int,
    classes: int,
    older: bool = False,
) -> Top:
    """Add a 3x3 convolution to `channels`, BatchNorm, ReLU, dropout and a 1x1 convolution.

    older: as in the tutorial's first version, BatchNorm and ReLU come before each convolution, and
    there is no dropout. Returns the scores of the classes at the size of `bottom`.
    """
    if older:
        top = units.normalize(f"{name}_in", bottom, in_place=False)
        bottom = units.add(f"{name}_in_relu", L.ReLU(top, in_place=True))
    top = units(f"{name}_conv", bottom, channels, 3, pad=1, bias_term=older)
    if not older:
        top = units.add(f"{name}_drop", L.Dropout(top, dropout_ratio=0.1, in_place=True))
    rates = [{"lr_mult": HEAD_RATE}] * 2
    made = L.Convolution(top, num_output=classes, kernel_size=1, param=rates, **units.filled)
    return units.add(f"{name}_score", made)


def enlarge(n: NetSpec, scores: Top, data: Top, classes: int, learned: bool = False) -> Top:
    """Add `score`, the scores at stride 8 resized to `data`, corners on corners; returns it.

    learned: use a Deconvolution per class instead, which starts bilinear and is cropped to `data`.
    """
    if learned:
        # A kernel of 15 has a middle, as all windows before it do: offsets are whole numbers.
        n.upscore8 = top = upsampling(scores, classes, 8, kernel=15, learned=True)
        n.score = top = L.Crop(top, data, axis=2)
    else:
        n.score = top = L.Interp(scores, data)
    return top


def auxiliary_head(
    n: NetSpec,
    settings: Mapping[str, Any],
    bottom: Top,
    data: Top,
    classes: int,
    older: bool = False,
) -> None:
    """Add `aux`, the scores of a head of half the width on stage 4, resized to `data`."""
    scores = head(head_units(n, settings), _AUXILIARY, bottom, 256, classes, older)
    n[_AUXILIARY] = L.Interp(scores, data)


@dataclass(frozen=True)
class DilatedSegmentation(Segmentation):
    """A segmentation network whose training net may have an auxiliary head with a loss of its own.

    auxiliary: whether it has one by default; auxiliary_weight: the weight of its loss.
    """

    auxiliary: bool = False
    auxiliary_weight: float = 0.5

    def files(
        self,
        classes: int | None = None,
        channels: int = 3,
        auxiliary: bool | None = None,
        auxiliary_weight: float | None = None,
        **form: Any,
    ) -> Files:
        """The network's files; the arguments are those of `deploy`.

        auxiliary: give the net an auxiliary head in TRAIN; the deploy net has none;
        auxiliary_weight: the weight of its loss.
        """
        extra = self.auxiliary if auxiliary is None else auxiliary
        trained = self.deploy(classes, channels, auxiliary=extra, **form)
        measures = self._measures()
        if extra:
            for layer in trained.layer:
                if layer.name.startswith(_AUXILIARY):
                    layer.include.add(phase=pb.TRAIN)
            loss = segmentation_loss(True, score=_AUXILIARY, name="loss_aux")
            weight = self.auxiliary_weight if auxiliary_weight is None else auxiliary_weight
            loss.loss_weight.append(weight)
            loss.include.add(phase=pb.TRAIN)
            measures.insert(0, loss)
        return {
            "train_val.prototxt": train_val(trained, self._inputs(channels), measures),
            "deploy.prototxt": self.deploy(classes, channels, **form),
            "solver.prototxt": self.recipe(self.name),
        }


def published(
    name: str,
    title: str,
    build: Callable[..., None],
    depth: int,
    classes: int,
    recipe: Recipe,
    **form: Any,
) -> DilatedSegmentation:
    """The network of `depth` layers, which name and title end in, trained on four images at a time.

    form: further fields of `DilatedSegmentation`.
    """
    return DilatedSegmentation(
        f"{name}_{depth}",
        f"{title}-{depth}",
        partial(build, depth=depth),
        classes,
        recipe,
        batch_size=4,
        **form,
    )
