"""The registry of functions that convert layers to another form, by layer type."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Function = TypeVar("_Function", bound="Callable[..., object]")


class Registry(dict[str, _Function]):
    """Functions by the layer types that they convert; fill it with `@registry.converts("ReLU")`."""

    def converts(self, *types: str) -> Callable[[_Function], _Function]:
        """Decorator: register the function as the one for layers of `types`."""

        def enter(function: _Function) -> _Function:
            self.update(dict.fromkeys(types, function))
            return function

        return enter
