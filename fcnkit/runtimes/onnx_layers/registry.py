"""The functions that convert layers, by layer type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat.exchange import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

CONVERTERS: Registry[Callable[..., str | list[str]]] = Registry()
converts = CONVERTERS.converts
