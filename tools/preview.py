#!/usr/bin/env python3
"""Show DIGITS extensions without DIGITS, on scores or on images that a network segments."""

import os
import sys
import webbrowser

from caffeformat import InputError, read_net
from fcnkit import cli
from fcnkit.datasets import locate, open_dataset
from fcnkit.segment_files import find_images
from fcnkit.tools import options


def add_arguments(parser):
    """Declare the command's arguments."""
    parser.add_argument(
        "inputs",
        nargs="*",
        metavar="FILE",
        help="scores that infer --save-scores wrote, or folders of them; with a network, images or "
        "folders of them (more can be uploaded on the page)",
    )
    options.add_network(parser)
    options.add_classes(parser)
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="dataset (of create_lmdb, of DIGITS, or folders): class names, palette, and the "
        "ground truth of its validation images",
    )
    server = parser.add_argument_group("server")
    server.add_argument("--host", default="127.0.0.1", help="address to serve at (127.0.0.1)")
    server.add_argument("--port", type=int, default=5080, help="0 takes a free one (5080)")
    server.add_argument("--open", action="store_true", help="open the page in a browser")


def run(args):
    """Serve until Ctrl-C."""
    server = make_server(args)
    name = f"[{server.host}]" if ":" in server.host else server.host
    address = f"http://{name}:{server.port}/"
    if args.host not in ("127.0.0.1", "localhost", "::1"):
        print("warning: others on the network can reach this page", file=sys.stderr)
    print(f"preview at {address} (Ctrl-C ends it)", flush=True)
    if args.open:
        webbrowser.open(address)
    with server:
        server.serve_forever()


def make_server(args):
    """The server of the preview that `args` ask for, bound but not serving yet."""
    try:
        from fcnkit.web import digits_stand_in, extensions, preview, samples, server, truths
    except ModuleNotFoundError as error:
        raise InputError(f"the preview needs {error.name}: pip install 'fcnkit[web]'") from error
    digits_stand_in.install()
    has_network = options.has_network(args)
    segmenter = options.segmenter(args) if has_network else None
    names = palette = None
    if has_network or args.classes or args.palette:
        names, palette = options.names_and_palette(args)
    labels = None
    if args.data:
        data = open_dataset(args.data, "val" if locate(args.data, "val") else "train")
        names = data.classes if names is None else names
        palette = palette if args.palette else data.palette
        labels = truths.Truths(data)
    shared = samples.SharedSegmenter(segmenter) if has_network else None
    found = _samples(args.inputs, shared, samples)
    dataset = preview.first_dataset(_title(args), found, names, palette, args.data)
    if has_network and segmenter.unmatched:
        print(options.unmatched_warning(segmenter, args.weights), file=sys.stderr)
    installed = extensions.Extensions()
    shown = preview.Preview(_title(args), found, installed, dataset, shared, labels)
    return server.make_server(shown, args.host, args.port)


def _samples(inputs, segmenter, samples):
    if segmenter is None:
        if not inputs:
            raise InputError("give scores of infer --save-scores, or a network")
        return samples.find_score_files(inputs)
    scores = [path for path in inputs if path.endswith(samples.SCORES_SUFFIX)]
    images = find_images([path for path in inputs if path not in scores])
    found = samples.find_score_files(scores)
    return found + [
        samples.NetImage(segmenter, path, samples.readable(os.path.basename(path)))
        for path in images.values()
    ]


def _title(args):
    """A short name for the page: the model's file, folder or net, else that of the first scores."""
    path = args.digits_model or args.run_folder
    if args.net and not path:
        return read_net(args.net).name or os.path.basename(args.net)
    name = os.path.basename(os.path.abspath(path or args.inputs[0]))
    return os.fsencode(name).decode("utf-8", "replace")


if __name__ == "__main__":
    sys.exit(cli.run_module(sys.modules[__name__]))
