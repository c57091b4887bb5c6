"""SegmentationData layers in nets: what identifies one, and its options. Loads no engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from caffeformat import InputError

if TYPE_CHECKING:
    from caffeformat import pb

MODULE, LAYER = "fcnkit.data_layers", "SegmentationData"


def is_segmentation_data(layer: pb.LayerParameter) -> bool:
    """Return whether a layer is our Python layer that reads images and labels together."""
    param = layer.python_param
    return layer.type == "Python" and (param.module, param.layer) == (MODULE, LAYER)


def options_of(layer: pb.LayerParameter) -> dict[str, Any]:
    """Return the `param_str` of a SegmentationData layer as a dict."""
    try:
        options: dict[str, Any] = json.loads(layer.python_param.param_str or "{}")
    except ValueError as error:
        raise InputError(f"layer {layer.name!r}: param_str is not JSON: {error}") from error
    return options


def set_options(layer: pb.LayerParameter, **options: Any) -> None:
    """Change options in the `param_str` of a SegmentationData layer."""
    layer.python_param.param_str = json.dumps({**options_of(layer), **options})
