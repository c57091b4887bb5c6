"""Turn folders of images and labels into LMDBs, as DIGITS lays them out."""

import sys

from tqdm import tqdm

from caffeformat import InputError
from fcnkit.data_prep import VAL_PERCENT, create_lmdb, find_splits, processors, split_pairs
from fcnkit.images import voc_class_names

from .arguments.classes import add_class_arguments, class_names, colour_map


def add_arguments(parser):
    """Declare the command's arguments."""
    folders = parser.add_argument_group("folders")
    folders.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help="folder with {train,val}/{images,labels}, as prepare_pascal_voc_data leaves it, or "
        "with {images,labels}",
    )
    folders.add_argument("out", metavar="OUT", help="folder to make")
    folders.add_argument("--images", metavar="DIR", help="training images, instead of DATA")
    folders.add_argument("--labels", metavar="DIR", help="their labels, by the same names")
    folders.add_argument("--val-images", metavar="DIR", help="separate validation images")
    folders.add_argument("--val-labels", metavar="DIR", help="their labels")
    folders.add_argument(
        "--val-percent",
        type=int,
        metavar="N",
        help="share of the training images that is drawn for validation, where validation has no "
        f"folder of its own (default: {VAL_PERCENT})",
    )
    folders.add_argument(
        "--shuffle", action="store_true", help="write the training images in random order"
    )
    folders.add_argument(
        "--seed", type=int, default=1, help="of what is drawn and shuffled (default: %(default)s)"
    )
    folders.add_argument(
        "--force", action="store_true", help="replace what OUT holds of the same names"
    )
    form = parser.add_argument_group("form")
    form.add_argument(
        "--channels",
        choices=["color", "grey", "none"],
        default="none",
        help="channel conversion; none keeps each image's own (default: %(default)s)",
    )
    form.add_argument(
        "--encoding",
        choices=["png", "jpeg", "raw"],
        default="png",
        help="how images are stored; what is in that form already is not encoded again "
        "(default: %(default)s)",
    )
    form.add_argument(
        "--label-encoding",
        choices=["png", "raw"],
        default="png",
        help="how labels are stored, as one channel of class indices (default: %(default)s)",
    )
    form.add_argument(
        "--small",
        action="store_true",
        help="compress PNGs some 10%% smaller, which takes ten times as long",
    )
    form.add_argument(
        "--same-shape",
        action="store_true",
        help="images whose shape is not the first one's are an error",
    )
    add_class_arguments(parser.add_argument_group("classes"))
    parser.add_argument(
        "--workers",
        type=int,
        default=processors(),
        metavar="N",
        help="processes that encode (default: %(default)s)",
    )


def run(args):
    """Run the command."""
    _check(args)
    train, val = find_splits(args.data, args.images, args.labels, args.val_images, args.val_labels)
    if val is None:
        percent = VAL_PERCENT if args.val_percent is None else args.val_percent
        train, val = split_pairs(train, percent, args.seed)
    elif args.val_percent is not None:
        raise InputError("--val-percent: validation images have a folder of their own already")
    with tqdm(unit="image", total=len(train) + len(val), disable=None) as bar:

        def show(split, done, total):
            bar.set_description(split, refresh=False)
            bar.update()

        names = class_names(args)
        manifest = create_lmdb(
            train,
            val,
            args.out,
            classes=names,
            colours=colour_map(args),
            encoding=args.encoding,
            label_encoding=args.label_encoding,
            channels=args.channels,
            small=args.small,
            same_shape=args.same_shape,
            shuffle_seed=args.seed if args.shuffle else None,
            workers=args.workers,
            force=args.force,
            progress=show,
        )
    _report(args.out, manifest)
    if names is None:
        _warn_of_count(len(manifest["classes"]))


def _check(args):
    for one, other in (("images", "labels"), ("val_images", "val_labels")):
        if bool(getattr(args, one)) != bool(getattr(args, other)):
            names = [name.replace("_", "-") for name in (one, other)]
            raise InputError("--{} and --{} go together: give both".format(*names))
    if bool(args.data) == bool(args.images):
        raise InputError("give either DATA or --images and --labels: create_lmdb DATA OUT")
    if args.val_percent is not None and not 0 <= args.val_percent < 100:
        raise InputError(f"--val-percent {args.val_percent}: expected 0 to 99")
    if args.workers < 1:
        raise InputError(f"--workers {args.workers}: expected 1 or more")


def _report(out, manifest):
    for split, facts in manifest["splits"].items():
        print(f"{split}: {facts['images']} images in {out}/{split}_db")
        if facts["labels_with_another_palette"]:
            print(
                f"warning: {facts['labels_with_another_palette']} of its labels have other colours "
                f"than palette.txt; check_dataset tells which",
                file=sys.stderr,
            )
    print("mean (B G R): {} {} {}".format(*manifest["mean_bgr"]))
    print(f"{len(manifest['classes'])} classes")


def _warn_of_count(count):
    voc = ", or --classes voc for VOC's 21" if count <= len(voc_class_names()) else ""
    print(
        f"warning: nobody named the classes: {count} were counted, as the highest label is "
        f"{count - 1}. If the data set has more, which these labels do not show, nets made for "
        f"this count have too few outputs: give --classes FILE, a name a line{voc} (and --force)",
        file=sys.stderr,
    )
