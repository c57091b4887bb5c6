"""Show DIGITS extensions without DIGITS, on scores or on images that a network segments."""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser
from typing import TYPE_CHECKING

from caffeformat import InputError, read_net
from fcnkit.inference import is_onnx
from fcnkit.zoo import network_file

from .arguments import basics, classes, network, pixels
from .printing import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from werkzeug.serving import BaseWSGIServer

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.option(
        "inputs",
        "scores that infer --save-scores wrote, or folders of them; with a network, images or "
        "folders of them (more can be uploaded on the page)",
        "FILE",
        nargs="*",
    )
    network.add_network(parser)
    basics.add_data(parser)
    pixels.add_bands(parser.options, "the run's, then the dataset's, otherwise the first three")
    parser.options.option("--host", "address to serve at", default="127.0.0.1")
    parser.options.option("--port", "port to serve at; 0 picks a free one", "N", int, default=5080)
    parser.options.flag("--open", "open the page in the browser")


def run(args: argparse.Namespace) -> None:
    """Serve until Ctrl-C."""
    server = make_server(args)
    from fcnkit.web import is_local, page_address

    address = page_address(server.host, server.port)
    if not is_local(args.host):
        say("warning: this page can be reached from the network", file=sys.stderr)
    say(f"preview at {address} (press Ctrl-C to stop)", flush=True)
    if args.open:
        webbrowser.open(address)
    with server:
        server.serve_forever()


def make_server(args: argparse.Namespace) -> BaseWSGIServer:
    """Return the server of the preview that `args` describe, bound but not serving yet."""
    try:
        from fcnkit.web import open_server
    except ModuleNotFoundError as error:
        raise InputError(f"the preview needs {error.name}: pip install 'fcnkit[web]'") from error
    trained = segmenter = None
    names: Sequence[str] | None
    names, palette = classes.names_and_palette(args)
    if network.has_network(args):
        trained = network.trained_net(args)
        segmenter = network.segmenter(args, trained)
        names = trained.names
    if trained and not args.data:
        palette = trained.palette
    server = open_server(
        _title(args),
        args.inputs,
        segmenter,
        names,
        palette,
        args.data,
        args.host,
        args.port,
        trained.bands if trained else args.bands,
    )
    if trained and segmenter:
        warning = network.unmatched_warning(segmenter, trained.weights)
        if warning:
            say(f"warning: {warning}", file=sys.stderr)
    return server


def _title(args: argparse.Namespace) -> str:
    """Return a title for the page: the model's file, folder or net, else the first scores' name."""
    path = args.digits_model or args.run_folder
    if args.net and not path and not is_onnx(args.net):
        path, name = network_file(args.net)
        return read_net(path).name or name
    if not (path or args.net or args.inputs):
        return "preview"
    name = os.path.basename(os.path.abspath(path or args.net or args.inputs[0]))
    return os.fsencode(name).decode("utf-8", "replace")
