"""Options of the losses: the keys of a loss layer's `param_str`, and of `--loss`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from caffeformat import InputError, brief

from .pixel_losses import dice, focal, hard_pixels

if TYPE_CHECKING:
    from collections.abc import Callable


class LossKind(NamedTuple):
    """A loss that a net can be trained with."""

    # Class in `fcnkit.loss_layers`
    layer: str
    # The formula
    function: Callable[..., Any]
    # Option -> default
    defaults: dict[str, Any]


# Name -> what it is. Each also takes `ignore_label`, and `softmax`: how much of the mean softmax
# loss is added.
LOSSES = {
    "dice": LossKind("DiceLoss", dice, {"smooth": 1.0, "squared": False, "present": True}),
    "focal": LossKind("FocalLoss", focal, {"gamma": 2.0}),
    "hard_pixels": LossKind("HardPixelLoss", hard_pixels, {"threshold": 0.7, "keep": 0.0625}),
}
# The module of their layers, as prototxts name it
MODULE = "fcnkit.loss_layers"
_RANGES = {
    "smooth": (1e-12, 1e12), "gamma": (0, 100), "threshold": (1e-6, 1), "keep": (0, 1),
    "softmax": (0, 1e6),
}  # fmt: skip


def loss_kind(module: str, layer: str) -> str | None:
    """The name of the loss that a Python layer computes, from its module and class; else None."""
    for name, kind in LOSSES.items():
        if (module, layer) == (MODULE, kind.layer):
            return name
    return None


def parse_loss_options(name: str, given: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of the loss `name` from JSON text or a mapping of some of them.

    Raises `InputError` for a loss or an option that there is not, and for values out of range.
    """
    if name not in LOSSES:
        raise InputError(f"the loss {name!r}: expected one of {', '.join(LOSSES)}")
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except (ValueError, RecursionError) as error:
            raise InputError(f"{name} loss: param_str is not JSON: {error}") from None
    if not isinstance(given, Mapping):
        raise InputError(f'{name} loss: param_str: expected JSON such as {{"ignore_label": 255}}')
    options = {**LOSSES[name].defaults, "ignore_label": None, "softmax": 0.0}
    for key, value in given.items():
        if key not in options:
            raise InputError(f"{name} loss: there is no option {key}; known: {', '.join(options)}")
        options[key] = _checked(name, key, value, options[key])
    return options


def parse_loss(texts: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return (name, all options) of a loss from its name and texts `KEY=VALUE`."""
    name, *rest = texts or [""]
    options: dict[str, Any] = {}
    for text in rest:
        key, _, value = text.partition("=")
        try:
            options[key] = value == "yes" if value in ("yes", "no") else float(value)
        except ValueError:
            raise InputError(
                "{option}: expected KEY=VALUE, a number or yes|no", option="loss", value=text
            ) from None
    return name, parse_loss_options(name, options)


def _checked(name: str, key: str, value: Any, default: Any) -> Any:
    if key == "ignore_label":
        if value is None or (_is_whole(value) and abs(value) < 1 << 31):
            return None if value is None else int(value)
        raise InputError(
            f"{name} loss: ignore_label: expected a whole number of 32 bits, found {brief(value)}"
        )
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        raise InputError(f"{name} loss: {key}: expected true or false, found {brief(value)}")
    low, high = _RANGES[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        found = brief(value)
        raise InputError(f"{name} loss: {key}: expected {low:g} to {high:g}, found {found}")
    return float(value)


def _is_whole(value: Any) -> bool:
    """Whether `value` is a whole number; a command line's numbers are floats."""
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)
