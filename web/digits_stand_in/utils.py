"""Stands in for `digits.utils`: the decorators that extensions put on their classes."""


def subclass(cls):
    """Marks a class that overrides methods. DIGITS checks the marks when its own tests run."""
    return cls


def override(method):
    """Marks a method that overrides one of the base class."""
    return method
