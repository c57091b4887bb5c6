"""Turn COCO into image and label folders of VOC's classes, OUT_DIR/{train,val}/{images,labels}."""

from fcnkit.data_prep import prepare_coco

from .arguments.prepare import add_output, add_sets, print_counts, reporting


def add_arguments(parser):
    """Declare the command's arguments."""
    parser.add_argument(
        "annotations", metavar="ANNOTATIONS", help="annotations_trainval2017.zip, or a folder"
    )
    parser.add_argument(
        "images", metavar="IMAGES", nargs="+", help="train2017.zip, val2017.zip, or folders"
    )
    add_output(parser)
    add_sets(parser, ["train2017", "val2017"], "sets, as in instances_<set>.json,")
    parser.add_argument(
        "--least",
        type=int,
        default=1000,
        metavar="PIXELS",
        help="leave out images with fewer labelled pixels (default: %(default)s)",
    )


def run(args):
    """Run the command."""
    with reporting() as report:
        counts = prepare_coco(
            args.annotations, args.images, args.out, args.sets, args.least, args.force, **report
        )
    print_counts(counts)
