"""Turn NYUDv2 into image and label folders, OUT_DIR/{train,val}/{images,labels}."""

from fcnkit.data_prep import INPUTS, prepare_nyud

from .arguments.prepare import add_output, add_sets, print_counts, reporting


def add_arguments(parser):
    """Declare the command's arguments."""
    parser.add_argument("archive", metavar="ARCHIVE", help="nyud.tar.gz, or an expanded folder")
    add_output(parser)
    add_sets(parser, ["trainval", "test"], "lists of the archive")
    parser.add_argument(
        "--input", choices=INPUTS, default="color", help="what the images show (default: color)"
    )


def run(args):
    """Run the command."""
    with reporting() as report:
        counts = prepare_nyud(args.archive, args.out, args.sets, args.input, args.force, **report)
    print_counts(counts)
