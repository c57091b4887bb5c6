"""Who may do what: hosts, passwords, tokens, forms of other sites, and what pages may load."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

import flask
import flask_wtf.csrf
import werkzeug.exceptions

from caffeformat import InputError, atomic_write, open_file
from fcnkit.web import is_local, is_trusted, trusted_hosts

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from .bench import Settings

_SAFE = ("GET", "HEAD", "OPTIONS")
# Reachable without a password: what the page that asks for it needs.
# Scripts and styles in frames of extensions are asked for without a session.
_OPEN = ("entry.log_in", "static", "extension.vendor", "extension.file")

# Bring archives or weights, so that their uploads may be large.
_LARGE = ("dataset.new", "model.new", "api.create_dataset", "api.create_model")

# Wrong passwords within the window after which nobody may try for the rest of it.
_TRIES, _WINDOW = 10, 60.0

# Pages load their own files only; no script, style or form lies inside a page's text.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; frame-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def check_settings(settings: Settings) -> None:
    """Raise `InputError` for a workbench that anybody on the network could use, and for no port."""
    if not 0 <= settings.port <= 65535:
        raise InputError(
            f"cannot serve at port {settings.port}: choose another port, from 0 to 65535"
        )
    for name, secret in (("password", settings.password), ("token", settings.token)):
        if secret is not None:
            _check_secret(name, secret)
    if not is_local(settings.host) and not (settings.password or settings.token):
        raise InputError(
            f"{settings.host}: others could use the workbench there: pass {{password}} or "
            "{token}, or serve locally",
            options={"password": None, "token": None},
        )


def _check_secret(name: str, secret: str) -> None:
    """Raise `InputError` for what no browser or script could send back as it is."""
    if not secret:
        problem = "expected a text, found none"
    elif any("\ud800" <= c <= "\udfff" for c in secret):
        problem = "is not UTF-8 text"
    elif not secret.isprintable():
        problem = "holds a line break or another character that cannot be typed"
    elif name == "token" and not (secret.isascii() and " " not in secret):
        problem = "expected letters, digits and signs of ASCII without blanks, as headers hold"
    else:
        return
    raise InputError(f"{{{name}}}: {problem}: choose another one", option=name)


def session_key(folder: str) -> bytes:
    """Return the key that signs sessions, kept in `folder` so that a restart ends none."""
    path = os.path.join(folder, ".key")
    key = b""
    if os.path.exists(path):
        with open_file(path) as opened:
            key = opened.read(64)
    if len(key) != 32:
        key = secrets.token_bytes(32)
        with atomic_write(path) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(key)
        os.chmod(path, 0o600)
    return key


class Guard:
    """Decides about each request of an application.

    Whoever changes something has to show the page's token, or the script's (`Authorization: Bearer
    TOKEN`), or, where no password and no token are set, come from no browser at all: browsers say
    where a request comes from, so that pages of other sites cannot pass for a script.
    """

    def __init__(self, app: flask.Flask, settings: Settings) -> None:
        self._settings = settings
        self._names = trusted_hosts(settings.host)
        self._csrf = flask_wtf.csrf.CSRFProtect(app)
        self._lock = threading.Lock()
        self._wrong: list[float] = []
        # Sessions end when the password or the token changes.
        secret = f"{settings.password}\n{settings.token}".encode("utf-8", "replace")
        key = bytes(app.config["SECRET_KEY"])
        self.mark = hmac.new(key, secret, "sha256").hexdigest()
        app.before_request(self._check)
        app.after_request(_add_headers)

    @property
    def is_open(self) -> bool:
        """Whether neither password nor token are set."""
        return not (self._settings.password or self._settings.token)

    @property
    def is_in(self) -> bool:
        """Whether the request's session has shown the password."""
        return bool(flask.session.get("in") == self.mark)

    def log_in(self, given: str) -> bool:
        """Compare what was typed with the password and the token; too many tries raise 429."""
        with self._lock:
            now = time.monotonic()
            self._wrong = [moment for moment in self._wrong if now - moment < _WINDOW]
            if len(self._wrong) >= _TRIES:
                raise werkzeug.exceptions.TooManyRequests(
                    "There were too many wrong passwords: wait a minute."
                )
            if any(
                _same(given, known)
                for known in (self._settings.password, self._settings.token)
                if known
            ):
                return True
            self._wrong.append(now)
            return False

    def _check(self) -> Response | None:
        request = flask.request
        if request.endpoint in _LARGE:
            # Before anything looks for the token in the form, which reads it.
            request.max_content_length = self._settings.max_upload
        if not is_trusted(request.headers.get("Host", ""), self._names):
            raise werkzeug.exceptions.SecurityError("This is not a name of this server.")
        is_script = self._is_script()
        may_come_in = self.is_open or is_script or self.is_in
        if not may_come_in and request.endpoint not in _OPEN:
            return self._refuse()
        if request.method in _SAFE or is_script:
            return None
        if self.is_open and _is_no_browser():
            return None
        self._csrf.protect()
        return None

    def _is_script(self) -> bool:
        """Whether the request bears the token, or the password as curl's `-u` sends it."""
        given = flask.request.authorization
        if given is None:
            return False
        if given.type == "bearer" and self._settings.token and given.token:
            return _same(given.token, self._settings.token)
        if given.type == "basic" and given.password and not self.is_open:
            return self.log_in(given.password)
        return False

    def _refuse(self) -> Response:
        if wants_json():
            answer = flask.jsonify(error="log in, or send Authorization: Bearer TOKEN")
            answer.status_code = 401
            return answer
        return flask.redirect(flask.url_for("entry.log_in", to=flask.request.full_path))


def prefers_json() -> bool:
    """Whether the client accepts JSON more than a page."""
    best = flask.request.accept_mimetypes.best_match(["text/html", "application/json"], "text/html")
    return best == "application/json"


def wants_json() -> bool:
    """Whether an answer that has no form of its own, such as an error, is to be JSON.

    By the address, by what the client prefers, or because a script changes something: browsers name
    HTML when they send a form.
    """
    request = flask.request
    if request.path.endswith((".json", "/status")) or prefers_json():
        return True
    return request.method not in _SAFE and "text/html" not in request.accept_mimetypes.values()


def _is_no_browser() -> bool:
    """Whether a request shows none of what browsers add to those that change something."""
    headers = flask.request.headers
    signs = ("Origin", "Referer", "Cookie", "Sec-Fetch-Site", "Sec-Fetch-Mode")
    return not any(name in headers for name in signs)


def _same(given: str, known: str) -> bool:
    digests = [hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in (given, known)]
    return hmac.compare_digest(*digests)


def _add_headers(response: Any) -> Any:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", POLICY)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Cache-Control", "no-store")
    return response
