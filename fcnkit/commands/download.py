"""Fetch public archives and weights by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit.downloads import fetch, file_checksum, find_download, known_downloads

from .arguments import basics
from .console import Console
from .printing import say

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.option("name", "what to fetch", "NAME", otherwise="list what there is", nargs="*")
    parser.input.option("--from-file", "take this file if its checksum is right", "FILE")
    parser.input.option("--url", "fetch the file from this address", otherwise="its publisher's")
    basics.add_output(
        parser,
        "folder to put files into",
        "--to",
        default=".",
        otherwise="this one",
        required=False,
    )
    basics.add_force(parser)


def run(args: argparse.Namespace) -> None:
    """Fetch the files, or list what there is."""
    if not args.name:
        _print_list()
    elif len(args.name) > 1 and (args.from_file or args.url):
        raise InputError("--from-file and --url are for one NAME at a time")
    for name in args.name:
        with Console("MB") as console:
            path = fetch(name, args.output, args.from_file, args.url, args.force, console)
        download = find_download(name)
        if download.checksum:
            say(f"{path}: {download.checksum.partition(':')[0]} is right")
        else:
            sha1 = file_checksum(path, "sha1")
            say(f"{path}: not checked, as no checksum is published; its sha1 is {sha1}")


def _print_list() -> None:
    downloads = known_downloads()
    width = max(len(download.name) for download in downloads)
    for download in downloads:
        checksum = download.checksum.partition(":")[0] or "none"
        facts = [f"license: {download.license}", f"checksum: {checksum}", download.note]
        say(f"{download.name:{width}}  {download.url}")
        say(f"{'':{width}}  {'; '.join(filter(None, facts))}")
