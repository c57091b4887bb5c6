"""Write the prototxts of the networks from their specs."""

import argparse
import sys

from caffeformat import InputError

from . import networks, writing


def main(argv=None):
    """Run `python -m fcnkit.prototxt`; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m fcnkit.prototxt", description=__doc__)
    parser.add_argument("network", nargs="*", help="folders to write (default: all)")
    parser.add_argument(
        "--check", action="store_true", help="write nothing, fail where files and specs differ"
    )
    args = parser.parse_args(argv)
    try:
        for network in args.network or networks():
            if args.check:
                differing = writing.stale(network)
                if differing:
                    raise InputError(f"not what its spec writes: {', '.join(differing)}")
            else:
                for path in writing.write(network):
                    print(f"wrote {path}")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
