"""The web server of a workbench."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import waitress.server

from caffeformat import InputError
from fcnkit.web import bare_host, page_address

from .app import MAX_SMALL, create_app
from .bench import Bench
from .security import check_settings

if TYPE_CHECKING:
    from .bench import Settings

_THREADS = 8
# Pages wait for trainings rather than the other way round.
_NICENESS = 10


_thread = threading.local()


def _yield_to_jobs() -> None:
    """Lower the priority of the thread that answers a request.

    Only where threads have priorities of their own, as on Linux: jobs are started by another thread
    and keep the usual one. It counts where the kernel does not group processes by session.
    """
    if sys.platform != "linux" or getattr(_thread, "yields", False):
        return
    _thread.yields = True
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


class Server:
    """A workbench that is bound to its address; `run` serves until Ctrl-C or SIGTERM."""

    def __init__(self, settings: Settings) -> None:
        check_settings(settings)
        self.bench = Bench(settings)
        logging.getLogger("waitress").setLevel(logging.ERROR)
        logging.getLogger("waitress.queue").setLevel(logging.CRITICAL)
        app = create_app(self.bench)
        app.before_request(_yield_to_jobs)
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
