"""Pages of a host that shows DIGITS extensions without DIGITS (`fcnkit preview`).

The host does what DIGITS does with an extension, step by step and with the same template context:
`extensions` loads them by their entry points, `visualize` takes one through a page of samples,
`datasets` makes datasets with data extensions. `digits_stand_in` replaces the parts of DIGITS that
an extension imports. Flask and Flask-WTF come with `pip install fcnkit[web]`; without them this
room cannot be imported.
"""

from .hosts import bare_host, is_local, is_trusted, page_address, trusted_hosts
from .opening import open_server
from .samples import SharedSegmenter

__all__ = [
    "SharedSegmenter",
    "bare_host",
    "is_local",
    "is_trusted",
    "open_server",
    "page_address",
    "trusted_hosts",
]
