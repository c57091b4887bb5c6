"""Declarations of segmentation networks: what each one consists of, and the files it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffeformat import NetSpec, pb

from .blocks import (
    IMAGENET_MEAN,
    database_inputs,
    finish,
    image_input,
    pixel_accuracy,
    segmentation_loss,
    train_val,
)

if TYPE_CHECKING:
    from typing import Callable

    from .blocks import Files
    from .recipes import Recipe


@dataclass(frozen=True)
class Segmentation:
    """A network from one image to the scores of its pixels, trained on two databases.

    name: its folder; title: the name in its prototxts; build: a function of a NetSpec, the data's
    top and the number of classes, with the network's further arguments as keywords, that adds the
    layers up to `score`; classes: how many there are as published; recipe: makes its solver; size:
    height and width in the deploy net (images of other sizes will do); batch_size: images per
    iteration; mean: subtracted from images of three channels, BGR; scale: what they are multiplied
    by then; normalize: whether the loss is a mean over pixels instead of a sum over each image's.
    """

    name: str
    title: str
    build: Callable[..., object]
    classes: int
    recipe: Recipe
    size: tuple[int, int] = (500, 500)
    batch_size: int = 1
    mean: tuple[float, ...] = IMAGENET_MEAN
    scale: float | None = None
    normalize: bool = True

    def deploy(
        self,
        classes: int | None = None,
        channels: int = 3,
        *,
        size: tuple[int, int] | None = None,
        **form: Any,
    ) -> pb.NetParameter:
        """The net from an image to its scores; `form` are further arguments of `build`."""
        n = NetSpec()
        n.data = image_input(channels, size or self.size)
        self.build(n, n.data, self.classes if classes is None else classes, **form)
        return finish(n, self.title)

    def files(self, classes: int | None = None, channels: int = 3, **form: Any) -> Files:
        """The network's files; the arguments are those of `deploy`."""
        net = self.deploy(classes, channels, **form)
        return {
            "train_val.prototxt": train_val(net, self._inputs(channels), self._measures()),
            "deploy.prototxt": net,
            "solver.prototxt": self.recipe(self.name),
        }

    def _inputs(self, channels: int) -> list[pb.LayerParameter]:
        return database_inputs(self.mean if channels == 3 else (), self.batch_size, self.scale)

    def _measures(self) -> list[pb.LayerParameter]:
        return [segmentation_loss(self.normalize), pixel_accuracy()]
