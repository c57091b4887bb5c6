"""Stand-in for `digits.extensions.view.interface`, with DIGITS' defaults."""

from __future__ import annotations

from typing import Any

from .interface import Extension


class VisualizationInterface(Extension):
    """Base of visualizations: the methods that DIGITS calls, in the order of its calls."""

    @staticmethod
    def get_dirname() -> str:
        """Return the folder that holds `static`."""
        raise NotImplementedError

    @staticmethod
    def get_config_form() -> Any:
        """Return the Flask-WTF form of its options."""
        raise NotImplementedError

    @staticmethod
    def get_config_template(form: Any) -> tuple[str, dict[str, Any]]:
        """Return the (Jinja template, context) that shows the form."""
        raise NotImplementedError

    def __init__(self, **kwargs: Any) -> None:
        pass

    def process_data(
        self, input_id: Any, input_data: Any, inference_data: Any, ground_truth: Any = None
    ) -> Any:
        """Return anything that `get_view_template` needs; called once per sample."""
        raise NotImplementedError

    def get_view_template(self, data: Any) -> tuple[str, dict[str, Any]]:
        """Return the (Jinja template, context) of one sample."""
        raise NotImplementedError

    def get_header_template(self) -> tuple[str | None, dict[str, Any] | None]:
        """Return the (Jinja template or None, context) above the samples, requested after them."""
        return None, None

    def get_ng_templates(self) -> tuple[str | None, str | None]:
        """Return (header, footer): HTML around the samples, or (None, None)."""
        return None, None
