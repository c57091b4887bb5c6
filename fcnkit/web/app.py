"""The preview's Flask application."""

from __future__ import annotations

import secrets
import traceback
from typing import TYPE_CHECKING

import flask
import flask_wtf.csrf
import werkzeug.exceptions

from caffeformat import InputError

from . import __name__ as package
from . import dataset_pages, model_pages
from .extensions import ExtensionError
from .forms import refuse_json
from .framing import extension_file
from .hosts import is_trusted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .preview import Preview

MAX_UPLOAD = 64 << 20  # bytes
# What `fcnkit preview` has of the options that advice in errors may name.
_OPTIONS = {"scale_to": "--scale-to"}

# Extensions bring scripts and styles inside their pages, and AngularJS makes functions from text;
# but nothing is loaded from anywhere else, and nothing is sent there.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


def create_app(preview: Preview, trusted_hosts: Sequence[str] | None = None) -> flask.Flask:
    """Return the application that shows `preview`.

    `trusted_hosts` are the host names under which browsers may reach the server (None: any). A
    request under another name, which may be another site's name for this machine, is refused.
    """
    app = flask.Flask(package)
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        # Browsers share cookies between all ports of a host: two previews need two names.
        SESSION_COOKIE_NAME=f"fcnkit_preview_{secrets.token_hex(4)}",
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=MAX_UPLOAD,
        MAX_FORM_PARTS=2000,
        WTF_CSRF_TIME_LIMIT=None,
    )
    # As in DIGITS, and as the templates of extensions expect.
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(server_name=None, server_version="preview")
    app.extensions["fcnkit_preview"] = preview
    app.before_request(lambda: _check_host(trusted_hosts))
    flask_wtf.csrf.CSRFProtect(app)
    app.before_request(refuse_json)
    app.register_blueprint(model_pages.blueprint)
    app.register_blueprint(dataset_pages.blueprint)
    app.add_url_rule(
        "/extension-static/<kind>/<extension_id>/<path:filename>",
        "extension_static",
        _extension_static,
    )
    app.after_request(_add_security_headers)
    app.register_error_handler(InputError, _show_input_error)
    app.register_error_handler(ExtensionError, _show_extension_error)
    app.register_error_handler(werkzeug.exceptions.HTTPException, _show_http_error)
    app.register_error_handler(werkzeug.exceptions.SecurityError, _refuse_untrusted_host)
    return app


def _check_host(trusted_hosts: Sequence[str] | None) -> None:
    if not is_trusted(flask.request.headers.get("Host", ""), trusted_hosts):
        raise werkzeug.exceptions.SecurityError("This is not a name of this server.")


def _extension_static(kind: str, extension_id: str, filename: str) -> flask.Response:
    return extension_file(model_pages.preview().extensions, kind, extension_id, filename)


def _add_security_headers(response: flask.Response) -> flask.Response:
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _show_input_error(error: InputError) -> tuple[str, int]:
    return _error_page("That did not work", error.for_command_line(_OPTIONS), status=400)


def _show_extension_error(error: ExtensionError) -> tuple[str, int]:
    """Show what an extension's author needs; DIGITS would write the same to its log."""
    cause = error.cause
    flask.current_app.logger.error("%s", error, exc_info=cause)
    lines = traceback.format_exception(type(cause), cause, cause.__traceback__)
    title = f"The extension {error.title} failed while {error.step}"
    return _error_page(title, f"{type(cause).__name__}: {cause}", "".join(lines), 500)


def _show_http_error(
    error: werkzeug.exceptions.HTTPException,
) -> tuple[str, int, list[tuple[str, str]]]:
    words = error.description or ""
    if isinstance(error, werkzeug.exceptions.RequestEntityTooLarge):
        words = f"The upload exceeds {MAX_UPLOAD >> 20} MB; send fewer or smaller images."
    page, status = _error_page(error.name, words, status=error.code or 500)
    # Such as Allow, which says what is right where a method is wrong.
    more = [each for each in error.get_headers() if each[0] != "Content-Type"]
    return page, status, more


def _refuse_untrusted_host(
    error: werkzeug.exceptions.SecurityError,
) -> tuple[str, int, dict[str, str]]:
    """Answer in plain text: under a name that is not trusted, a page could not build its links."""
    return f"{error.description}\n", 400, {"Content-Type": "text/plain"}


def _error_page(
    title: str, words: str, details: str | None = None, status: int = 200
) -> tuple[str, int]:
    html = flask.render_template(
        "error.html", preview=model_pages.preview(), title=title, words=words, details=details
    )
    return html, status
