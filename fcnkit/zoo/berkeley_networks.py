"""Berkeley's FCNs on VGG-16 for each of their datasets, and narrow ones for generated shapes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from caffeformat import NetSpec
from caffeformat import layers as L
from caffeformat import params as P

from . import berkeley, vgg
from .blocks import finish, image_input, score, upsampling
from .recipes import heavy_recipe, poly, segmentation_recipe
from .segmentation import Segmentation

if TYPE_CHECKING:
    from typing import Callable

    from caffeformat import pb
    from caffeformat.messages import Top

    from .blocks import Files
    from .recipes import Recipe

_SIZE = (500, 500)


def _published(
    name: str, title: str, stride: int, classes: int, recipe: Recipe, **form: Any
) -> Segmentation:
    build = partial(berkeley.fcn, stride=stride, **form)
    return Segmentation(name, title, build, classes, recipe, normalize=False)


def _voc(
    name: str, title: str, stride: int, base_lr: float, max_iter: int = 100000, **form: Any
) -> Segmentation:
    return _published(name, title, stride, 21, heavy_recipe(base_lr, max_iter, tests=736), **form)


def _pascalcontext(name: str, title: str, stride: int, base_lr: float) -> Segmentation:
    return _published(name, title, stride, 60, heavy_recipe(base_lr, 300000, tests=5105))


def _narrow(
    name: str,
    title: str,
    recipe: Recipe,
    *,
    batch_size: int = 1,
    normalize: bool = False,
    **form: Any,
) -> Segmentation:
    """One of the networks that learn generated shapes from scratch within some hundred steps."""
    build = partial(berkeley.fcn, width=1 / 8, **form)
    # The scale brings images to about unit size, as fillers expect.
    return Segmentation(
        name, title, build, 6, recipe, batch_size=batch_size, scale=1 / 64, normalize=normalize
    )


def _stage(name: str, title: str, stride: int, base_lr: float) -> Segmentation:
    """One of three stages, each of which starts from the one before."""
    recipe = heavy_recipe(base_lr, 250, tests=24, every=100)
    return _narrow(name, title, recipe, stride=stride)


@dataclass(frozen=True)
class _SiftFlow:
    """An FCN for SIFT Flow, with a semantic and a geometric head.

    name: its folder; title: the name in its prototxts.
    """

    name: str
    title: str
    stride: int
    base_lr: float

    def deploy(
        self, semantic: int = 33, geometric: int = 3, channels: int = 3, learned: bool = False
    ) -> pb.NetParameter:
        """The net for `semantic` and `geometric` classes; see `vgg.fcn_head` for `learned`."""
        n = NetSpec()
        n.data = image_input(channels, _SIZE)
        heads = {"_sem": semantic, "_geo": geometric}
        berkeley.fcn(n, n.data, heads, self.stride, learned=learned)
        return finish(n, self.title)

    def files(
        self, semantic: int = 33, geometric: int = 3, channels: int = 3, learned: bool = False
    ) -> Files:
        """The network's files; the arguments are those of `deploy`."""
        return berkeley.python_files(
            self.name,
            self.deploy(semantic, geometric, channels, learned),
            berkeley.siftflow_inputs(),
            heads=[("_sem", "sem"), ("_geo", "geo")],
            recipe=heavy_recipe(self.base_lr, 300000, tests=200),
        )


@dataclass(frozen=True)
class _Nyud:
    """An FCN-32s for NYUDv2.

    name: its folder; title: the name in its prototxts; views: what each of its inputs shows, by
    blob name; build: adds the layers from these inputs to `score`.
    """

    name: str
    title: str
    views: dict[str, str]
    build: Callable[[NetSpec, int, bool], None]
    base_lr: float = 1e-10

    def deploy(
        self, classes: int = 40, channels: int = 3, learned: bool = False
    ) -> pb.NetParameter:
        """The net for `classes`; see `vgg.fcn_head` for `learned`.

        channels: those of its one input; two inputs have the channels of their cameras.
        """
        n = NetSpec()
        for blob, view in self.views.items():
            own = channels if len(self.views) == 1 else {"color": 3, "hha": 3, "depth": 1}[view]
            n[blob] = image_input(own, _SIZE)
        self.build(n, classes, learned)
        return finish(n, self.title)

    def files(self, classes: int = 40, channels: int = 3, learned: bool = False) -> Files:
        """The network's files; the arguments are those of `deploy`."""
        return berkeley.python_files(
            self.name,
            self.deploy(classes, channels, learned),
            berkeley.nyud_inputs(self.views),
            heads=[("", "label")],
            recipe=heavy_recipe(self.base_lr, 300000, tests=654),
        )


def _one_view(n: NetSpec, classes: int, learned: bool) -> None:
    berkeley.fcn(n, n.data, classes, 32, learned=learned)


def _early_fusion(n: NetSpec, classes: int, learned: bool) -> None:
    """Colour and depth as the four channels of one stream."""
    n.data = data = L.Concat(n.color, n.depth)
    tops = vgg.fcn_trunk(n, data, first="conv1_1_bgrd")
    vgg.fcn_head(n, tops, data, classes, 32, learned=learned)


def _late_fusion(n: NetSpec, classes: int, learned: bool) -> None:
    """Colour and HHA as two streams whose scores are averaged."""
    scores: list[Top] = []
    for name in ("color", "hha"):
        tops = vgg.fcn_trunk(n, n[name], suffix=name)
        n[f"score_fr{name}"] = scored = score(tops["drop7"], classes)
        scores.append(scored)
    n.score_fused = top = L.Eltwise(*scores, operation=P.Eltwise.SUM, coeff=[0.5, 0.5])
    n.upscore = top = upsampling(top, classes, 32, learned=learned)
    n.score = L.Crop(top, n.color, axis=2)


NETWORKS = (
    _voc("voc_fcn32s", "VOC-FCN32s", 32, 1e-10),
    _voc("voc_fcn16s", "VOC-FCN16s", 16, 1e-12),
    _voc("voc_fcn8s", "VOC-FCN8s", 8, 1e-14),
    # All streams trained at once
    _voc("voc_fcn8s_atonce", "VOC-FCN8s-AtOnce", 8, 1e-10, max_iter=300000, at_once=True),
    _pascalcontext("pascalcontext_fcn32s", "PASCALContext-FCN32s", 32, 1e-10),
    _pascalcontext("pascalcontext_fcn16s", "PASCALContext-FCN16s", 16, 1e-12),
    _pascalcontext("pascalcontext_fcn8s", "PASCALContext-FCN8s", 8, 1e-14),
    _SiftFlow("siftflow_fcn32s", "SIFTFlow-FCN32s", 32, 1e-10),
    _SiftFlow("siftflow_fcn16s", "SIFTFlow-FCN16s", 16, 1e-12),
    _SiftFlow("siftflow_fcn8s", "SIFTFlow-FCN8s", 8, 1e-14),
    _Nyud("nyud_fcn32s_color", "NYUD-FCN32s-Color", {"data": "color"}, _one_view),
    _Nyud("nyud_fcn32s_hha", "NYUD-FCN32s-HHA", {"data": "hha"}, _one_view),
    _Nyud(
        "nyud_fcn32s_color_d",
        "NYUD-FCN32s-Color-D",
        {"color": "color", "depth": "depth"},
        _early_fusion,
    ),
    _Nyud(
        "nyud_fcn32s_color_hha",
        "NYUD-FCN32s-Color-HHA",
        {"color": "color", "hha": "hha"},
        _late_fusion,
        base_lr=1e-12,
    ),
    _stage("shapes_fcn32s", "Shapes-FCN32s", 32, 1e-9),
    _stage("shapes_fcn16s", "Shapes-FCN16s", 16, 1e-9),
    _stage("shapes_fcn8s", "Shapes-FCN8s", 8, 1e-10),
    # Learns from scratch; with its BatchNorm folded, shapes_fcn32s starts from it.
    _narrow(
        "shapes_fcn32s_bn",
        "Shapes-FCN32s-BN",
        segmentation_recipe(0.05, 1500, tests=24, every=500, **poly()),
        batch_size=8,
        normalize=True,
        stride=32,
        batch_norm={"moving_average_fraction": 0.95},
        pad=1,
    ),
)
