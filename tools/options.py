"""Arguments that several commands share: a network with its weights, class names, a palette."""

from fcnkit.classes import read_class_names
from fcnkit.datasets import default_palette
from fcnkit.inference import Segmenter
from fcnkit.palette import read_palette
from fcnkit.preprocessing import Preprocessor, parse_mean


def add_network(parser, required=True):
    """`--net`, `--weights` and how images become the net's input."""
    group = parser.add_argument_group("network")
    group.add_argument(
        "--net", required=required, help="deploy file, or an all-in-one file with its stages"
    )
    group.add_argument("--weights", required=required, help="its .caffemodel (or .caffemodel.h5)")
    group.add_argument(
        "--mean",
        help="subtracted from the input: B,G,R or mean.binaryproto or mean.txt (none; networks "
        "such as fcn_alexnet shift inside)",
    )
    group.add_argument(
        "--input-scale", type=float, default=1.0, help="multiplied after the mean (1)"
    )
    group.add_argument(
        "--channels", choices=("BGR", "RGB"), default="BGR", help="order of the input's (BGR)"
    )
    group.add_argument("--output-blob", help="blob with the classes' scores (score)")
    group.add_argument(
        "--scale-to",
        type=int,
        metavar="PIXELS",
        help="scale larger images down to this longer side for the net; results keep the image's "
        "size",
    )
    add_engine(group)


def add_engine(parser):
    """`--gpu` and `--allow-python`."""
    parser.add_argument("--gpu", type=int, metavar="N", help="compute on this GPU (the CPU)")
    parser.add_argument(
        "--allow-python",
        action="append",
        default=[],
        metavar="MODULE",
        help="let the net run Python layers of this module",
    )


def add_classes(parser):
    """`--classes` and `--palette`."""
    parser.add_argument(
        "--classes", metavar="FILE", help="class names, one a line (VOC's, for 21 classes)"
    )
    parser.add_argument(
        "--palette", metavar="FILE", help="text file of R G B lines, or a paletted image (VOC's)"
    )


def names_and_palette(args):
    """(class names or None, palette) from the arguments of `add_classes`."""
    names = read_class_names(args.classes) if args.classes else None
    palette = read_palette(args.palette) if args.palette else default_palette(names)
    return names, palette


def segmenter(args):
    """The `Segmenter` of the arguments of `add_network`."""
    mean = parse_mean(args.mean) if args.mean else None
    return Segmenter(
        args.net,
        args.weights,
        Preprocessor(mean, args.input_scale, args.channels),
        args.output_blob,
        args.scale_to,
        args.gpu,
        args.allow_python,
    )


def unmatched_warning(segmenter, weights):
    """What to tell about layers that found no weights, or None."""
    if not segmenter.unmatched:
        return None
    return (
        f"warning: {weights} has no weights for {', '.join(segmenter.unmatched)}: these layers "
        "keep what their fillers gave them"
    )
