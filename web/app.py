"""The preview's Flask application."""

import os
import secrets
import traceback

import flask
import flask_wtf.csrf
import werkzeug.exceptions

from caffeformat import InputError

from . import __name__ as package
from . import dataset_pages, model_pages
from .extensions import ExtensionError

MAX_UPLOAD = 64 << 20  # bytes

# Extensions bring scripts and styles within their pages, and AngularJS makes functions of text; but
# nothing is loaded from anywhere else, and nothing is sent there.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


def create_app(preview, trusted_hosts=None):
    """The application that shows `preview` (a `Preview`).

    `trusted_hosts` are the names by which browsers may call the server (None: any); a page that
    has another name point to this machine is refused.
    """
    app = flask.Flask(package)
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        # Browsers keep one set of cookies for all ports: two previews are not to share a name.
        SESSION_COOKIE_NAME=f"fcnkit_preview_{secrets.token_hex(4)}",
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=MAX_UPLOAD,
        MAX_FORM_PARTS=2000,
        TRUSTED_HOSTS=trusted_hosts,
        WTF_CSRF_TIME_LIMIT=None,
    )
    # As DIGITS has it, and as the templates of extensions expect.
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(server_name=None, server_version="preview")
    app.extensions["fcnkit_preview"] = preview
    flask_wtf.csrf.CSRFProtect(app)
    app.register_blueprint(model_pages.blueprint)
    app.register_blueprint(dataset_pages.blueprint)
    app.add_url_rule(
        "/extension-static/<kind>/<extension_id>/<path:filename>",
        "extension_static",
        _extension_static,
    )
    app.after_request(_guard)
    app.register_error_handler(InputError, _say)
    app.register_error_handler(ExtensionError, _blame)
    app.register_error_handler(werkzeug.exceptions.HTTPException, _http)
    app.register_error_handler(werkzeug.exceptions.SecurityError, _stranger)
    return app


def _extension_static(kind, extension_id, filename):
    """A static file of an extension whose `get_dirname()` is an absolute path.

    DIGITS looks for other folders in its own tree, where installed extensions have no files.
    """
    extensions = flask.current_app.extensions["fcnkit_preview"].extensions
    found = {"view": extensions.views, "data": extensions.data}.get(kind, {}).get(extension_id)
    folder = found.get_dirname() if hasattr(found, "get_dirname") else ""
    if not os.path.isabs(folder):
        raise werkzeug.exceptions.NotFound()
    return flask.send_from_directory(os.path.join(folder, "static"), filename)


def _guard(response):
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _say(error):
    return _page("That did not work", str(error), status=400)


def _blame(error):
    """What an extension's author wants to see; DIGITS would show the same in its log."""
    flask.current_app.logger.error("%s", error, exc_info=error.cause)
    lines = traceback.format_exception(type(error.cause), error.cause, error.cause.__traceback__)
    title = f"The extension {error.title} failed while {error.step}"
    return _page(title, f"{type(error.cause).__name__}: {error.cause}", "".join(lines), 500)


def _http(error):
    words = error.description
    if isinstance(error, werkzeug.exceptions.RequestEntityTooLarge):
        words = f"More than {MAX_UPLOAD >> 20} MB were sent; send fewer or smaller images."
    return _page(error.name, words, status=error.code)


def _stranger(error):
    """Called by a name that is not trusted: no page, as nothing on it could have an address."""
    return f"{error.description}\n", 400, {"Content-Type": "text/plain"}


def _page(title, words, details=None, status=200):
    preview = flask.current_app.extensions["fcnkit_preview"]
    html = flask.render_template(
        "error.html", preview=preview, title=title, words=words, details=details
    )
    return html, status
