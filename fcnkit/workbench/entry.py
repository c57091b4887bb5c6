"""The page that asks for the password, and the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from .security import Guard

blueprint = flask.Blueprint("entry", __name__)


@blueprint.route("/login", methods=["GET", "POST"])
def log_in() -> Any:
    """Ask for the password; DIGITS' clients post a user name here, which is not looked at."""
    guard: Guard = flask.current_app.extensions["fcnkit_guard"]
    to = flask.request.values.get("to", "/")
    # Only places of this server: `//elsewhere` and `/\elsewhere` name others.
    if not to.startswith("/") or to[1:2] in ("/", "\\"):
        to = "/"
    words = ""
    if flask.request.method == "POST" and not guard.is_open:
        if guard.log_in(flask.request.form.get("password", "")):
            flask.session.clear()
            flask.session["in"] = guard.mark
            return flask.redirect(to)
        words = "That is not the password."
    if guard.is_open or guard.is_in:
        return flask.redirect(to)
    page = flask.render_template("log_in.html", words=words, to=to)
    return page, 403 if words else 200


@blueprint.post("/logout")
def log_out() -> Response:
    """Forget that the password was given."""
    flask.session.clear()
    return flask.redirect(flask.url_for("entry.log_in"))
