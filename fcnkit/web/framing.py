"""Pages of visualizations as documents of their own, to be shown in a frame of another page.

Extensions bring scripts and styles inside their templates. A frame with a sandbox keeps them off
the page around it, its session, and everything else on the network.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import flask
import jinja2
import werkzeug.exceptions

from caffeformat.files import open_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .extensions import Extensions
    from .visualize import Page

# What templates of extensions and `framed_page` need of this room's templates.
_SHARED = ("helper.html", "framed.html", "vendor.html")
_HERE = os.path.dirname(os.path.abspath(__file__))
_VENDOR = os.path.join(_HERE, "static", "vendor")


def share_templates(app: flask.Flask) -> None:
    """Let the templates of extensions find in `app` what they find in DIGITS."""

    def load(name: str) -> str | None:
        if name not in _SHARED:
            return None
        with open_file(os.path.join(_HERE, "templates", name)) as file:
            return file.read().decode()

    own = app.jinja_loader
    loaders: list[jinja2.BaseLoader] = [own] if own is not None else []
    app.jinja_loader = jinja2.ChoiceLoader([*loaders, jinja2.FunctionLoader(load)])
    app.jinja_env.globals.update(server_name=None, server_version="fcnkit")


def framed_page(page: Page, titles: Sequence[str], vendor: str) -> str:
    """Return a finished page of samples as a document; `vendor` is where `vendor_file` answers."""
    return flask.render_template("framed.html", page=page, titles=titles, vendor=vendor)


def frame_headers(host: str) -> dict[str, str]:
    """Return the headers of such a document on a server that the browser knows as `host`."""
    # To a document in a sandbox its own server is another site, which has to be named.
    ours = f"'self' http://{host} https://{host}"
    policy = (
        "sandbox allow-scripts allow-downloads allow-popups; default-src 'none'; "
        f"script-src {ours} 'unsafe-inline' 'unsafe-eval'; style-src {ours} 'unsafe-inline'; "
        f"img-src {ours} data: blob:; font-src {ours} data:; connect-src data: blob:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    )
    return {"Content-Security-Policy": policy}


def vendor_file(name: str) -> flask.Response:
    """Return a script or style that the templates of extensions are written for."""
    return flask.send_from_directory(_VENDOR, name)


def extension_file(
    extensions: Extensions, kind: str, extension_id: str, filename: str
) -> flask.Response:
    """Return a static file of an extension whose `get_dirname()` is an absolute path.

    DIGITS looks up other folders in its own tree, where installed extensions have no files.
    """
    groups: Mapping[str, Mapping[str, Any]] = {"view": extensions.views, "data": extensions.data}
    found = groups.get(kind, {}).get(extension_id)
    get_dirname = getattr(found, "get_dirname", None)
    folder = get_dirname() if get_dirname is not None else ""
    if not os.path.isabs(folder):
        raise werkzeug.exceptions.NotFound()
    return flask.send_from_directory(os.path.join(folder, "static"), filename)
