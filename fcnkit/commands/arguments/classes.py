"""The arguments that say what labels mean, for the commands that read labels."""

import os

from fcnkit.images import read_class_names, read_palette


def add_class_arguments(parser):
    """Declare `--classes` and `--colour-map`."""
    parser.add_argument(
        "--classes",
        metavar="FILE",
        help="class names, one a line, or `voc`; labels past them are an error (default: "
        "DATA/classes.txt where it is there)",
    )
    parser.add_argument(
        "--colour-map",
        "--color-map",
        metavar="FILE",
        help="the classes' colours, for RGB labels: text with `R G B` a line, a paletted label "
        "image, or `voc`",
    )


def class_names(args):
    """The class names that were asked for, or those of the folder `args.data`, or None."""
    if args.classes is None:
        own = os.path.join(args.data, "classes.txt") if args.data else ""
        return read_class_names(own) if os.path.exists(own) else None
    return read_class_names(args.classes)


def colour_map(args):
    """The colours of RGB labels, 256 x 3 uint8, or None."""
    return None if args.colour_map is None else read_palette(args.colour_map)
