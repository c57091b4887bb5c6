"""Fetch public archives and weights by name."""

from caffeformat import InputError
from fcnkit.downloads import fetch, file_checksum, find_download, known_downloads


def add_arguments(parser):
    """Declare the command's arguments."""
    parser.add_argument("name", nargs="*", metavar="NAME", help="what to fetch; without: the list")
    parser.add_argument(
        "--to", default=".", metavar="DIR", help="folder to put it into (default: this one)"
    )
    parser.add_argument(
        "--from-file", metavar="FILE", help="take this file, if its checksum is right"
    )
    parser.add_argument("--url", help="fetch it from here instead")
    parser.add_argument(
        "--force", action="store_true", help="replace a file that has the wrong checksum"
    )


def run(args):
    """Run the command."""
    if not args.name:
        _print_list()
    elif len(args.name) > 1 and (args.from_file or args.url):
        raise InputError("--from-file and --url are for one NAME at a time")
    for name in args.name:
        path = fetch(name, args.to, args.from_file, args.url, args.force, quiet=False)
        download = find_download(name)
        if download.checksum:
            print(f"{path}: {download.checksum.partition(':')[0]} is right")
        else:
            sha1 = file_checksum(path, "sha1")
            print(f"{path}: not checked, for nobody publishes a checksum; its sha1 is {sha1}")


def _print_list():
    downloads = known_downloads()
    width = max(len(download.name) for download in downloads)
    for download in downloads:
        checksum = download.checksum.partition(":")[0] or "none"
        facts = [f"license: {download.license}", f"checksum: {checksum}", download.note]
        print(f"{download.name:{width}}  {download.url}")
        print(f"{'':{width}}  {'; '.join(filter(None, facts))}")
