"""Says what a layer is whose type nothing here knows: a fork's, another Caffe's, or a misprint."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from .elsewhere import layer_elsewhere
from .forks import fork_titles, instead_of, layer_forks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from . import pb


def unknown_layer(layer: pb.LayerParameter, known: Iterable[str]) -> str:
    """The message about a layer whose type is not among the `known` ones, and what to do."""
    forks = layer_forks(layer.type)
    if forks:
        instead = instead_of(layer.type)
        return (
            f'layer "{layer.name}": "{layer.type}" is a layer of the fork '
            f"{fork_titles(forks, 'or')} of Caffe that does not run here. "
            + (f"{instead[0].upper()}{instead[1:]}, or use" if instead else "Use")
            + " that fork for this net, or remove the layer, and whatever depends on it, from "
            "the prototxt (the layers before it are enough to compute features and scores)."
        )
    other = layer_elsewhere(layer.type)
    if other is not None:
        return f'layer "{layer.name}": {other}.'
    types = sorted(known)
    lowered = {name.lower(): name for name in types}
    near = difflib.get_close_matches(layer.type.lower(), lowered, 1)
    hint = f' Did you mean "{lowered[near[0]]}"?' if near else ""
    return (
        f'layer "{layer.name}": there is no layer type "{layer.type}".{hint} '
        f"Known types: {', '.join(types)}."
    )
