"""Writes the networks' prototxts from their declarations."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from caffeformat import InputError, printable

from . import networks, writing

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run `python -m fcnkit.zoo`; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m fcnkit.zoo", description=__doc__)
    parser.add_argument("network", nargs="*", help="networks to write (default: all)")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail if any file differs from its declaration",
    )
    args = parser.parse_args(argv)
    try:
        for network in args.network or networks():
            if args.check:
                differing = writing.stale(network)
                if differing:
                    raise InputError(
                        f"{', '.join(differing)}: differs from what the declaration of {network} "
                        "writes; run this again without --check"
                    )
            else:
                for path in writing.write(network):
                    print(f"wrote {path}")
    except InputError as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
