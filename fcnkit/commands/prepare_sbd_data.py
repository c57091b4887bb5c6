"""Turn SBD into image and label folders, OUT_DIR/{train,val}/{images,labels}."""

from fcnkit.data_prep import SPLITS, prepare_sbd

from .arguments.prepare import add_output, print_counts, reporting


def add_arguments(parser):
    """Declare the command's arguments."""
    parser.add_argument(
        "archive", metavar="ARCHIVE", help="benchmark.tgz, or a folder it was expanded into"
    )
    add_output(parser)
    parser.add_argument(
        "--voc", metavar="ARCHIVE", help="PASCAL VOC's trainval archive or folder, for its val"
    )
    parser.add_argument("--voc-name", help="which VOCdevkit/NAME, where that holds several")
    parser.add_argument(
        "--split",
        choices=SPLITS,
        help="; ".join(f"{name}: {what}" for name, what in SPLITS.items())
        + " (default: seg11valid with --voc, otherwise sbd)",
    )


def run(args):
    """Run the command."""
    with reporting() as report:
        counts = prepare_sbd(
            args.archive, args.out, args.voc, args.voc_name, args.split, args.force, **report
        )
    print_counts(counts)
