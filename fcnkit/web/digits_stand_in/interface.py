"""What DIGITS' two interfaces, of data extensions and of visualizations, have in common."""

from __future__ import annotations


class Extension:
    """Base of both interfaces: how an extension appears in a menu."""

    @staticmethod
    def get_id() -> str:
        """Return the id used in addresses and forms, unique among extensions of a kind."""
        raise NotImplementedError

    @staticmethod
    def get_title() -> str:
        """Return the name in the menu."""
        raise NotImplementedError

    @staticmethod
    def get_default_visibility() -> bool:
        """Return whether the menu shows it by default."""
        return True
