"""Declarations of classifiers: what each one consists of, and the files it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffeformat import NetSpec, pb
from caffeformat import layers as L

from .blocks import IMAGENET_MEAN, train_val

if TYPE_CHECKING:
    from typing import Callable

    from caffeformat.messages import Top

    from .blocks import Files
    from .recipes import Recipe


@dataclass(frozen=True)
class Classifier:
    """A network from crops to the probabilities of their classes, trained on one database.

    name: its folder; title: the name in its prototxts; build: a function of a NetSpec, the data's
    top, the number of classes and `fillers` that adds the layers and returns the scores; recipe:
    makes its solver; crop: side of the crops it sees, in pixels; batch_sizes: images per iteration
    in TRAIN and in TEST; crops: how many the deploy net takes at a time; classes: how many there
    are as published; mean: subtracted from crops of three channels, BGR.
    """

    name: str
    title: str
    build: Callable[..., Top]
    recipe: Recipe
    crop: int = 224
    batch_sizes: tuple[int, int] = (256, 50)
    crops: int = 10
    classes: int = 1000
    mean: tuple[float, ...] = IMAGENET_MEAN

    def deploy(
        self, classes: int | None = None, channels: int = 3, fillers: bool = False
    ) -> pb.NetParameter:
        """The net from crops to `prob`, N x classes.

        fillers: whether layers name their fillers, which only training from scratch needs.
        """
        n = NetSpec()
        n.data = L.Input(shape={"dim": [self.crops, channels, self.crop, self.crop]})
        classes = self.classes if classes is None else classes
        n.prob = L.Softmax(self.build(n, n.data, classes, fillers=fillers))
        net = n.to_proto()
        net.name = self.title
        return net

    def files(self, classes: int | None = None, channels: int = 3) -> Files:
        """The network's files. Training sees mirrored random crops.

        The trained net ends in its scores, because the loss has a softmax of its own.
        """
        trained = self.deploy(classes, channels, fillers=True)
        scores = [trained.layer[-1].bottom[0], "label"]
        del trained.layer[-1]
        return {
            "train_val.prototxt": train_val(trained, self._inputs(channels), _measures(scores)),
            "deploy.prototxt": self.deploy(classes, channels),
            "solver.prototxt": self.recipe(self.name),
        }

    def _inputs(self, channels: int) -> list[pb.LayerParameter]:
        made = []
        for phase, batch_size in zip((pb.TRAIN, pb.TEST), self.batch_sizes):
            layer = pb.LayerParameter(name="data", type="Data", top=["data", "label"])
            layer.include.add(phase=phase)
            layer.transform_param.mirror = phase == pb.TRAIN
            layer.transform_param.crop_size = self.crop
            layer.transform_param.mean_value.extend(self.mean if channels == 3 else ())
            layer.data_param.batch_size = batch_size
            layer.data_param.backend = pb.DataParameter.LMDB
            made.append(layer)
        return made


def _measures(scores: list[str]) -> list[pb.LayerParameter]:
    accuracy = pb.LayerParameter(name="accuracy", type="Accuracy", bottom=scores, top=["accuracy"])
    accuracy.include.add(phase=pb.TEST)
    return [
        accuracy,
        pb.LayerParameter(name="loss", type="SoftmaxWithLoss", bottom=scores, top=["loss"]),
    ]
