"""Serve the workbench: datasets, models, training and tests in a browser, with DIGITS' REST API."""

from __future__ import annotations

import os
import signal
import sys
import webbrowser
from typing import TYPE_CHECKING, Any

from caffeformat import InputError, read_bytes, reading

from .printing import say

if TYPE_CHECKING:
    import argparse
    from types import FrameType

    from .arguments.basics import CommandParser


_MOST_SECRET = 4096  # bytes of its file


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "Jobs run in processes of their own: they go on when the server stops, and are found "
        "again when it starts."
    )
    parser.input.option(
        "--data-root",
        "folder whose files may be named on the pages; may be repeated",
        "FOLDER",
        default=[],
        otherwise="files are uploaded",
        action="append",
    )
    parser.output.option("--jobs", "folder of the jobs", "FOLDER", default="jobs")
    parser.options.option(
        "--host",
        "address to serve at; other than a local one it needs a password or a token",
        default="127.0.0.1",
    )
    parser.options.option("--port", "port to serve at; 0 picks a free one", "N", int, default=5000)
    parser.options.option(
        "--password",
        "what people type to come in; @FILE reads it from a file",
        "TEXT",
        otherwise="none",
    )
    parser.options.option(
        "--token",
        "what scripts send as `Authorization: Bearer TOKEN`; @FILE reads it from a file",
        "TEXT",
        otherwise="none",
    )
    parser.options.option("--max-upload", "megabytes of one upload", "N", int, default=4096)
    parser.options.flag("--open", "open the page in the browser")
    parser.engine.option(
        "--gpu", "GPU that models may be trained on; may be repeated", "N", int,
        default=[], otherwise="the CPU", action="append",
    )  # fmt: skip


def run(args: argparse.Namespace) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    try:
        from fcnkit.web import is_local
        from fcnkit.workbench import Settings, open_server
    except ModuleNotFoundError as error:
        raise InputError(f"the workbench needs {error.name}: pip install 'fcnkit[web]'") from error
    settings = Settings(
        args.jobs,
        args.data_root,
        args.host,
        args.port,
        _secret("--password", args.password),
        _secret("--token", args.token),
        max(1, args.max_upload) << 20,
        args.gpu,
    )
    server = open_server(settings)
    signal.signal(signal.SIGTERM, _stop)
    if not is_local(args.host):
        say(
            "warning: this page can be reached from the network, and is not encrypted: put it "
            "behind a server that speaks HTTPS",
            file=sys.stderr,
        )
    say(f"workbench at {server.address}, jobs in {os.path.abspath(args.jobs)}", flush=True)
    say("press Ctrl-C to stop; jobs that run go on", flush=True)
    if args.open:
        webbrowser.open(server.address)
    server.run()


def _stop(number: int, frame: FrameType | None) -> Any:
    raise SystemExit(0)


def _secret(option: str, text: str | None) -> str | None:
    """Return a secret, from its file where the text is `@FILE`."""
    if text is None or not text.startswith("@"):
        return text
    path = text[1:]
    try:
        with reading(path, "is not UTF-8 text"):
            return read_bytes(path, _MOST_SECRET).decode("utf-8-sig").strip()
    except InputError as error:
        raise error.prefixed(f"{option}: cannot be read") from error
