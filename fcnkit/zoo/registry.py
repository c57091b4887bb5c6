"""The networks by name: their declarations and their files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from caffeformat import InputError

from . import (
    alexnet,
    berkeley_networks,
    camvid,
    fcn_resnet,
    googlenet,
    pspnet,
    resnet,
    shapes_nets,
    vgg,
)

if TYPE_CHECKING:
    from caffeformat import pb

    from .blocks import Files

_HERE = os.path.dirname(os.path.abspath(__file__))


def _root() -> str:
    """The networks' folders: package data where installed, `prototxt/` in a checkout."""
    installed = os.path.join(_HERE, "prototxt")
    if os.path.isdir(installed):
        return installed
    return os.path.join(os.path.dirname(os.path.dirname(_HERE)), "prototxt")


_ROOT = _root()


class Spec(Protocol):
    """A network's declaration.

    `classes` and `channels` are arguments of nearly every network; which others there are depends
    on its family. Defaults are the published network's values.
    """

    @property
    def name(self) -> str:
        """The network's name, which is also that of its folder."""

    def deploy(self, *args: Any, **form: Any) -> pb.NetParameter:
        """Build the net from an image to its result."""

    def files(self, *args: Any, **form: Any) -> Files:
        """Build the messages of all of its prototxts, by file name."""


_FAMILIES: tuple[tuple[Spec, ...], ...] = (
    alexnet.NETWORKS,
    berkeley_networks.NETWORKS,
    camvid.NETWORKS,
    fcn_resnet.NETWORKS,
    googlenet.NETWORKS,
    pspnet.NETWORKS,
    resnet.NETWORKS,
    shapes_nets.NETWORKS,
    vgg.NETWORKS,
)
_SPECS: dict[str, Spec] = {spec.name: spec for family in _FAMILIES for spec in family}


def networks() -> list[str]:
    """Names of all networks, sorted."""
    return sorted(_SPECS)


def spec(network: str) -> Spec:
    """The declaration of `network`; raises `InputError` with the names of all if it is none."""
    if network not in _SPECS:
        raise InputError(f"there is no network {network}; there are {', '.join(networks())}")
    return _SPECS[network]


def folder(network: str) -> str:
    """The folder with the files of `network`."""
    return os.path.join(_ROOT, spec(network).name)


def path(network: str, file: str) -> str:
    """The path of `file` (such as `deploy.prototxt`) of `network`.

    Raises `InputError` with the names of all networks, or of the network's files, if it has none.
    """
    found = os.path.join(folder(network), file)
    if not os.path.isfile(found):
        files = sorted(name for name in os.listdir(folder(network)) if name.endswith(".prototxt"))
        raise InputError(f"network {network} has no {file}; it has {', '.join(files)}")
    return found
