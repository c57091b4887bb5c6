"""Stand-in for `digits.extensions.data.interface`, with DIGITS' defaults."""

from __future__ import annotations

from typing import Any

from .interface import Extension


class DataIngestionInterface(Extension):
    """Base of data extensions: keeps the form's values in `userdata` and as attributes."""

    def __init__(self, is_inference_db: bool = False, **kwargs: Any) -> None:
        self.userdata = kwargs
        for name, value in kwargs.items():
            setattr(self, name, value)

    @staticmethod
    def get_category() -> str:
        """Return the menu that the extension appears in."""
        raise NotImplementedError

    @staticmethod
    def get_dataset_form() -> Any:
        """Return the Flask-WTF form for a new dataset."""
        raise NotImplementedError

    @staticmethod
    def get_dataset_template(form: Any) -> tuple[str, dict[str, Any]]:
        """Return the (Jinja template, context) that shows the form."""
        raise NotImplementedError

    def get_inference_form(self) -> Any | None:
        """Return the Flask-WTF form for choosing what to test, or None."""
        return None

    @staticmethod
    def get_inference_template(form: Any) -> tuple[str | None, dict[str, Any] | None]:
        """Return the (Jinja template, context) that shows that form."""
        return None, None

    def itemize_entries(self, stage: str) -> list[Any]:
        """Return the entries of a stage, a list of anything."""
        raise NotImplementedError

    def encode_entry(self, entry: Any) -> tuple[Any, Any]:
        """Return (feature, label) of an entry: C x H x W uint8 arrays."""
        raise NotImplementedError

    def get_user_data(self) -> dict[str, Any]:
        """Return what is kept of the dataset."""
        return self.userdata
