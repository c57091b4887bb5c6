"""What the commands that turn archives into folders share: arguments and progress."""

import contextlib

from tqdm import tqdm


def add_output(parser):
    """Declare `OUT_DIR` and `--force`."""
    parser.add_argument("out", metavar="OUT_DIR", help="folder to make")
    parser.add_argument(
        "--force", action="store_true", help="replace what OUT_DIR holds of the same names"
    )


def add_sets(parser, default, where):
    """Declare `--sets TRAIN VAL`."""
    parser.add_argument(
        "--sets",
        nargs=2,
        default=default,
        metavar=("TRAIN", "VAL"),
        help=f"{where} that become train and val (default: {' '.join(default)})",
    )


@contextlib.contextmanager
def reporting():
    """`log` and `progress` as the functions that prepare take them, a dict.

    The bar goes to stderr and only where someone watches; stdout has the lines.
    """
    with tqdm(unit="file", disable=None, leave=False) as bar:

        def show(done, total):
            bar.total = total
            bar.update(done - bar.n)

        yield {"log": lambda line: print(line, flush=True), "progress": show}


def print_counts(counts):
    """Say how many pairs each split has."""
    print(", ".join(f"{count} {split}" for split, count in counts.items()) + " pairs")
