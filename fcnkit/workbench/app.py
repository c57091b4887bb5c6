"""The workbench's Flask application: its pages, filters and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask
import flask_wtf.csrf
import werkzeug.exceptions

from caffeformat import InputError
from caffeformat.files import disk_problem
from fcnkit.web import ExtensionError, refuse_json, share_templates

from . import __name__ as package
from . import (
    api,
    comparing,
    dataset_pages,
    digits_addresses,
    entry,
    explore,
    extending,
    fields,
    growth,
    home,
    job_pages,
    layers,
    model_pages,
    trial_pages,
    wording,
)
from .bench import EXTENSION
from .security import Guard, prefers_json, session_key, wants_json

if TYPE_CHECKING:
    from .bench import Bench

# Bytes of a request that brings no dataset or weights.
MAX_SMALL = 64 << 20

# Pages whose addresses answer JSON to clients that prefer it, as those with `.json` behind them do.
_AS_JSON = {
    "home.show": "api.index",
    "dataset.show": "api.dataset",
    "model.show": "api.model",
    "test.infer_one": "api.infer_one",
    "test.infer_many": "api.infer_many",
    "test.infer_db": "api.infer_db",
}


def create_app(bench: Bench) -> flask.Flask:
    """Return the application that shows `bench`."""
    app = flask.Flask(package)
    settings = bench.settings
    app.config.update(
        SECRET_KEY=session_key(bench.jobs.folder),
        # Browsers share cookies between all ports of a host.
        SESSION_COOKIE_NAME=f"fcnkit_{settings.port}",
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_HTTPONLY=True,
        MAX_CONTENT_LENGTH=MAX_SMALL,
        MAX_FORM_MEMORY_SIZE=8 << 20,
        MAX_FORM_PARTS=2000,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_SSL_STRICT=False,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(wording.FILTERS)
    app.jinja_env.tests["filled"] = fields.is_filled
    app.extensions[EXTENSION] = bench
    share_templates(app)
    guard = app.extensions["fcnkit_guard"] = Guard(app, settings)
    app.before_request(refuse_json)
    app.before_request(_answer_as_json)
    app.jinja_env.globals.update(is_open=guard.is_open)
    for module in (
        entry, home, job_pages, dataset_pages, explore, model_pages, trial_pages, comparing, layers,
        growth, extending, api, digits_addresses,
    ):  # fmt: skip
        app.register_blueprint(module.blueprint)
    app.register_error_handler(InputError, _show_input_error)
    app.register_error_handler(OSError, _show_system_error)
    app.register_error_handler(ExtensionError, _show_extension_error)
    app.register_error_handler(flask_wtf.csrf.CSRFError, _show_stale_page)
    app.register_error_handler(werkzeug.exceptions.SecurityError, _refuse_untrusted_host)
    app.register_error_handler(werkzeug.exceptions.HTTPException, _show_http_error)
    return app


def _answer_as_json() -> Any:
    """Return the JSON of a page's address where the client prefers that; None otherwise."""
    request = flask.request
    twin = _AS_JSON.get(request.endpoint or "")
    if twin is None or not prefers_json():
        return None
    return flask.current_app.view_functions[twin](**(request.view_args or {}))


def _show_input_error(error: InputError) -> Any:
    return _answer("That did not work", error.for_command_line(), 400)


def _show_system_error(error: OSError) -> Any:
    """Answer what the operating system refused: a full disk, or a file that went away meanwhile."""
    problem = disk_problem(error)
    if problem is not None:
        return _answer("The server cannot store that", f"{problem}: make room, then try again", 507)
    if isinstance(error, FileNotFoundError):
        return _answer("That is not there any more", "It was deleted or moved meanwhile.", 404)
    flask.current_app.logger.exception("%s", error)
    return _answer("That did not work", error.strerror or "The system refused it.", 500)


def _show_extension_error(error: ExtensionError) -> Any:
    flask.current_app.logger.error("%s", error, exc_info=error.cause)
    title = f"The extension {error.title} failed while {error.step}"
    words = f"{type(error.cause).__name__}: {error.cause}"
    return _answer(title, f"{title}: {words}" if wants_json() else words, 500)


def _show_stale_page(error: flask_wtf.csrf.CSRFError) -> Any:
    words = "This page was opened before the last log-in, or the request came from elsewhere."
    return _answer("Reload the page and try again", words, 400)


def _show_http_error(error: werkzeug.exceptions.HTTPException) -> Any:
    words = error.description or ""
    if isinstance(error, werkzeug.exceptions.RequestEntityTooLarge):
        words = "The upload is larger than this page takes."
    elif isinstance(error, werkzeug.exceptions.NotFound) and words == error.__class__.description:
        words = "There is no such page. Check the address, or begin at Home."
    response = error.get_response()
    if response.status_code in (301, 302, 303, 307, 308):
        return response
    answer = flask.make_response(_answer(error.name, words, error.code or 500))
    for name, value in response.headers:
        # Such as Allow, which says what is right where a method is wrong.
        if name not in ("Content-Type", "Content-Length"):
            answer.headers.add(name, value)
    return answer


def _refuse_untrusted_host(error: werkzeug.exceptions.SecurityError) -> Any:
    """Answer in plain text: under a name that is not trusted, a page could not build its links."""
    return f"{error.description}\n", 400, {"Content-Type": "text/plain"}


def _answer(title: str, words: str, status: int) -> Any:
    if wants_json():
        return flask.jsonify(error=words or title), status
    return flask.render_template("error.html", title=title, words=words), status
