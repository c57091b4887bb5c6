"""The web server of a workbench."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import waitress.server

from caffeformat import InputError

from .app import MAX_SMALL, create_app
from .bench import Bench
from .security import check_settings

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
        try:
            self._server: Any = waitress.server.create_server(
                create_app(self.bench),
                host=settings.host,
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
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.address = f"http://{name}:{port}/"

    def run(self) -> None:
        """Serve until Ctrl-C; jobs go on afterwards."""
        self.bench.line.start()
        try:
            self._server.run()
        finally:
            self.close()

    def close(self) -> None:
        """Stop serving."""
        self._server.close()
        self.bench.close()


def open_server(settings: Settings) -> Server:
    """Return the server of a workbench, bound but not serving yet.

    Raises `InputError` where it cannot be bound, where anybody on the network could use it, and
    where another server holds its jobs.
    """
    return Server(settings)
