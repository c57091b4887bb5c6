"""Show DIGITS extensions without DIGITS, on scores or on images that a network segments."""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser
from typing import TYPE_CHECKING

from caffeformat import InputError, read_net
from fcnkit.datasets import locate, open_dataset
from fcnkit.inference import find_images

from .arguments import network

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from werkzeug.serving import BaseWSGIServer

    from fcnkit.web import Loadable, SharedSegmenter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "inputs",
        nargs="*",
        metavar="FILE",
        help="scores that infer --save-scores wrote, or folders of them; with a network, images or "
        "folders of them (more can be uploaded on the page)",
    )
    network.add_network(parser)
    network.add_classes(parser)
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="dataset (of create_lmdb, of DIGITS, or folders): class names, palette, and the "
        "ground truth of its validation images",
    )
    server = parser.add_argument_group("server")
    server.add_argument(
        "--host", default="127.0.0.1", help="address to serve at (default: %(default)s)"
    )
    server.add_argument(
        "--port",
        type=int,
        default=5080,
        help="port to serve at; 0 picks a free one (default: %(default)s)",
    )
    server.add_argument("--open", action="store_true", help="open the page in the browser")


def run(args: argparse.Namespace) -> None:
    """Serve until Ctrl-C."""
    server = make_server(args)
    name = f"[{server.host}]" if ":" in server.host else server.host
    address = f"http://{name}:{server.port}/"
    if args.host not in ("127.0.0.1", "localhost", "::1"):
        print("warning: this page can be reached from the network", file=sys.stderr)
    print(f"preview at {address} (press Ctrl-C to stop)", flush=True)
    if args.open:
        webbrowser.open(address)
    with server:
        server.serve_forever()


def make_server(args: argparse.Namespace) -> BaseWSGIServer:
    """Return the server of the preview that `args` describe, bound but not serving yet."""
    try:
        from fcnkit.web import digits_stand_in, extensions, preview, samples, server, truths
    except ModuleNotFoundError as error:
        raise InputError(f"the preview needs {error.name}: pip install 'fcnkit[web]'") from error
    digits_stand_in.install()
    segmenter = network.segmenter(args) if network.has_network(args) else None
    names = palette = None
    if segmenter or args.classes or args.palette:
        names, palette = network.names_and_palette(args)
    labels = None
    if args.data:
        data = open_dataset(args.data, "val" if locate(args.data, "val") else "train")
        names = data.classes if names is None else names
        palette = palette if args.palette else data.palette
        labels = truths.Truths(data)
    shared = samples.SharedSegmenter(segmenter) if segmenter else None
    found = _samples(args.inputs, shared, samples)
    dataset = preview.first_dataset(_title(args), found, names, palette, args.data)
    if segmenter and segmenter.unmatched:
        print(network.unmatched_warning(segmenter, args.weights), file=sys.stderr)
    installed = extensions.Extensions()
    shown = preview.Preview(_title(args), found, installed, dataset, shared, labels)
    return server.make_server(shown, args.host, args.port)


def _samples(
    inputs: Sequence[str], segmenter: SharedSegmenter | None, samples: ModuleType
) -> list[Loadable]:
    if segmenter is None:
        if not inputs:
            raise InputError(
                "nothing to show: name scores that infer --save-scores wrote, or pass a network"
            )
        return list(samples.find_score_files(inputs))
    scores = [path for path in inputs if path.endswith(samples.SCORES_SUFFIX)]
    images = find_images([path for path in inputs if path not in scores])
    found: list[Loadable] = list(samples.find_score_files(scores))
    return found + [
        samples.NetImage(segmenter, path, samples.readable(os.path.basename(path)))
        for path in images.values()
    ]


def _title(args: argparse.Namespace) -> str:
    """Return a title for the page: the model's file, folder or net, else the first scores' name."""
    path = args.digits_model or args.run_folder
    if args.net and not path:
        return read_net(args.net).name or os.path.basename(args.net)
    name = os.path.basename(os.path.abspath(path or args.inputs[0]))
    return os.fsencode(name).decode("utf-8", "replace")
