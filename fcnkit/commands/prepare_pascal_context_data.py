"""Turn PASCAL-Context into image and label folders, OUT_DIR/{train,val}/{images,labels}."""

from fcnkit.data_prep import prepare_pascal_context

from .arguments.prepare import add_output, add_sets, print_counts, reporting


def add_arguments(parser):
    """Declare the command's arguments."""
    parser.add_argument(
        "voc", metavar="VOC2010", help="PASCAL VOC 2010's archive or VOCdevkit folder"
    )
    parser.add_argument(
        "annotations", metavar="ANNOTATIONS", help="PASCAL-Context's trainval archive or folder"
    )
    add_output(parser)
    parser.add_argument(
        "--labels", metavar="FILE", help="labels.txt, the 459 names, where ANNOTATIONS lacks it"
    )
    parser.add_argument(
        "--chosen", metavar="FILE", help="59_labels.txt, the 59 names, where ANNOTATIONS lacks it"
    )
    add_sets(parser, ["train", "val"], "lists of ImageSets/Main")


def run(args):
    """Run the command."""
    with reporting() as report:
        counts = prepare_pascal_context(
            args.voc,
            args.annotations,
            args.out,
            args.labels,
            args.chosen,
            args.sets,
            args.force,
            **report,
        )
    print_counts(counts)
