"""Serving a preview to the browsers of one machine."""

import ipaddress
import logging

import werkzeug.serving

from caffeformat import InputError

from .app import create_app

LOCAL_NAMES = ["localhost", "127.0.0.1", "[::1]"]


def make_server(preview, host, port):
    """A server for `preview`, bound to `host` and `port` (0: any free one) but not serving yet.

    It answers browsers that call it by a local name or by `host`; bound to an address of all
    interfaces, by any name. Raises `InputError` where it cannot be bound.
    """
    trusted = None if _is_everywhere(host) else [*LOCAL_NAMES, host]
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    try:
        return werkzeug.serving.make_server(host, port, create_app(preview, trusted), threaded=True)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cannot serve at {host}:{port}: {error}: choose another --port"
        ) from error
    except SystemExit as error:
        # Werkzeug prints what is wrong with the address and ends the process.
        raise InputError(f"cannot serve at {host}:{port}: choose another --port") from error


def _is_everywhere(host):
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
