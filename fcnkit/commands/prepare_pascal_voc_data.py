"""Turn a PASCAL VOC archive into image and label folders, OUT_DIR/{train,val}/{images,labels}."""

from tqdm import tqdm

from fcnkit.data_prep import prepare_voc


def add_arguments(parser):
    """Declare the command's arguments."""
    parser.add_argument(
        "archive",
        metavar="ARCHIVE",
        help="tar, tar.gz, tar.bz2 or zip, or an expanded VOCdevkit folder",
    )
    parser.add_argument("out", metavar="OUT_DIR", help="folder to make")
    parser.add_argument(
        "--sets",
        nargs="+",
        default=["train", "val"],
        metavar="SET",
        help="image sets, each a folder of OUT_DIR (default: train val)",
    )
    parser.add_argument(
        "--task",
        default="Segmentation",
        help="folder of ImageSets that holds them (default: %(default)s)",
    )
    parser.add_argument("--name", help="which VOCdevkit/NAME, where the archive holds several")
    parser.add_argument(
        "--labels",
        default="SegmentationClass",
        metavar="FOLDER",
        help="folder of label images (default: %(default)s)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace what OUT_DIR holds of the same names"
    )


def run(args):
    """Run the command."""
    # The bar goes to stderr and only where someone watches; stdout has the tutorial's lines.
    with tqdm(unit="file", disable=None, leave=False) as bar:

        def show(done, total):
            bar.total = total
            bar.update(done - bar.n)

        prepare_voc(
            args.archive,
            args.out,
            sets=args.sets,
            task=args.task,
            name=args.name,
            labels=args.labels,
            force=args.force,
            log=lambda line: print(line, flush=True),
            progress=show,
        )
