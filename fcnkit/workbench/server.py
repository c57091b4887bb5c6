"""The web server of a workbench."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import flask
import waitress.server

from caffeformat import InputError
from fcnkit.web import bare_host, page_address

from .app import MAX_SMALL, create_app
from .bench import Bench
from .security import check_settings
from .share import Share, lower_session, yield_to_jobs

if TYPE_CHECKING:
    from .bench import Settings

_THREADS = 8


class Server:
    """A workbench that is bound to its address; `run` serves until Ctrl-C or SIGTERM."""

    def __init__(self, settings: Settings) -> None:
        check_settings(settings)
        self.bench = Bench(settings)
        logging.getLogger("waitress").setLevel(logging.ERROR)
        logging.getLogger("waitress.queue").setLevel(logging.CRITICAL)
        app = create_app(self.bench)
        self._share = Share()
        self._is_closed = False
        app.before_request(self._begin)
        app.teardown_request(self._end)
        try:
            self._server: Any = waitress.server.create_server(
                app,
                host=bare_host(settings.host),
                port=settings.port,
                threads=_THREADS,
                ident="fcnkit",
                max_request_body_size=max(MAX_SMALL, settings.max_upload) + (1 << 20),
                channel_timeout=600,
            )
        except (OSError, OverflowError, ValueError) as error:
            self.bench.close()
            raise InputError(
                f"cannot serve at {settings.host}:{settings.port}: {error}: choose another port "
                "or address"
            ) from error
        port = getattr(self._server, "effective_port", settings.port)
        self.address = page_address(settings.host, port)

    def run(self) -> None:
        """Serve until Ctrl-C; jobs go on afterwards."""
        lower_session()
        self.bench.line.start()
        try:
            self._server.run()
        except OSError:  # its sockets are gone while it waits for them
            if not self._is_closed:
                raise
        finally:
            self.close()

    def _begin(self) -> None:
        yield_to_jobs()
        # Pages and pictures wait while jobs run; what changes or computes something does not.
        is_page = flask.request.method in ("GET", "HEAD") and self.bench.line.is_busy
        if is_page:
            self._share.wait()
        flask.g.begun = time.thread_time() if is_page else None

    def _end(self, error: BaseException | None) -> None:
        begun = flask.g.get("begun")
        if begun is not None:
            self._share.spend(time.thread_time() - begun)

    def close(self) -> None:
        """Stop serving; any thread may call it."""
        self._is_closed = True
        self._server.close()
        self.bench.close()


def open_server(settings: Settings) -> Server:
    """Return the server of a workbench, bound but not serving yet.

    Raises `InputError` where it cannot be bound, where anybody on the network could use it, and
    where another server holds its jobs.
    """
    return Server(settings)
