"""Pages of a host that shows DIGITS extensions without DIGITS (`fcnkit preview`).

The host does what DIGITS does with an extension, step by step and with the same template context:
`extensions` loads them by their entry points, `visualize` takes one through a page of samples,
`datasets` makes datasets with data extensions. `digits_stand_in` replaces the parts of DIGITS that
an extension imports. Flask and Flask-WTF come with `pip install fcnkit[web]`; without them this
room cannot be imported.
"""

from .datasets import (
    Dataset,
    create,
    inference_entries,
    inference_form,
    inference_html,
    userdata_of,
)
from .extensions import Calling, ExtensionError, Extensions, title_of
from .forms import refuse_json
from .framing import (
    extension_file,
    frame_headers,
    framed_page,
    share_templates,
    vendor_file,
)
from .hosts import bare_host, is_local, is_trusted, page_address, trusted_hosts
from .opening import open_server
from .prepared import installed_extensions, prepare_with_extension
from .samples import Sample, SharedSegmenter, stretched
from .visualize import Page, config_html, errors_of, render, validated_options, without_token

__all__ = [
    "Calling",
    "Dataset",
    "ExtensionError",
    "Extensions",
    "Page",
    "Sample",
    "SharedSegmenter",
    "bare_host",
    "config_html",
    "create",
    "errors_of",
    "extension_file",
    "frame_headers",
    "framed_page",
    "inference_entries",
    "inference_form",
    "inference_html",
    "installed_extensions",
    "is_local",
    "is_trusted",
    "open_server",
    "page_address",
    "prepare_with_extension",
    "refuse_json",
    "render",
    "share_templates",
    "stretched",
    "title_of",
    "trusted_hosts",
    "userdata_of",
    "validated_options",
    "vendor_file",
    "without_token",
]
