"""Stand-in for `digits.utils`: the decorators that extensions put on their classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

_Class = TypeVar("_Class", bound=type)
_Method = TypeVar("_Method", bound=Callable[..., Any])


def subclass(cls: _Class) -> _Class:
    """Mark a class that overrides methods. DIGITS checks the marks when its own tests run."""
    return cls


def override(method: _Method) -> _Method:
    """Mark a method that overrides one of the base class."""
    return method
