"""The functions that convert layers, by layer type."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Converter = TypeVar("_Converter", bound="Callable[..., str | list[str]]")

CONVERTERS: dict[str, Callable[..., str | list[str]]] = {}


def converts(*types: str) -> Callable[[_Converter], _Converter]:
    """Decorator: register the function as the converter of layers of `types`."""

    def enter(function: _Converter) -> _Converter:
        CONVERTERS.update(dict.fromkeys(types, function))
        return function

    return enter
