"""The web server of a preview, for the browsers of one machine."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import werkzeug.serving

from caffeformat import InputError

from .app import create_app
from .hosts import bare_host, trusted_hosts

if TYPE_CHECKING:
    from .preview import Preview


def make_server(preview: Preview, host: str, port: int) -> werkzeug.serving.BaseWSGIServer:
    """Return a server for `preview`, bound to `host` and `port` (0: any free one), not yet serving.

    It answers browsers that address it by a local name or as `host`; when bound to all interfaces,
    by any name. Raises `InputError` where it cannot be bound.
    """
    app = create_app(preview, trusted_hosts(host))
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    try:
        return werkzeug.serving.make_server(bare_host(host), port, app, threaded=True)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cannot serve at {host}:{port}: {error}: choose another port or address"
        ) from error
    except SystemExit as error:
        # Werkzeug prints what is wrong with the address and exits.
        raise InputError(
            f"cannot serve at {host}:{port}: choose another port or address"
        ) from error
