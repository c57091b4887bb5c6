"""Turn SIFT Flow into image and label folders, OUT_DIR/{train,val}/{images,labels}."""

from fcnkit.data_prep import LABELS, prepare_siftflow

from .arguments.prepare import add_output, print_counts, reporting


def add_arguments(parser):
    """Declare the command's arguments."""
    parser.add_argument(
        "archive", metavar="ARCHIVE", help="SiftFlowDataset.zip, or an expanded folder"
    )
    add_output(parser)
    parser.add_argument(
        "--lists",
        metavar="DIR",
        help="folder with trainval.txt and test.txt (default: the archive's own)",
    )
    parser.add_argument(
        "--labels", choices=LABELS, default="semantic", help="which labels (default: semantic)"
    )


def run(args):
    """Run the command."""
    with reporting() as report:
        counts = prepare_siftflow(
            args.archive, args.out, args.lists, args.labels, args.force, **report
        )
    print_counts(counts)
