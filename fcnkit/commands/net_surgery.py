"""Turn a classifier into a fully convolutional network, on files, with no engine.

Without arguments: fetch BVLC's AlexNet, transplant it into FCN-AlexNet and save
fcn_alexnet.caffemodel. With --classes: make the FCN of any classifier, --model, in a folder.
"""

import os

from caffeformat import (
    InputError,
    filter_net,
    infer_shapes,
    pb,
    read_caffemodel,
    read_net,
    write_caffemodel,
)
from fcnkit import downloads, zoo
from fcnkit.files import output_folder
from fcnkit.images import parse_mean
from fcnkit.nets import image_shapes
from fcnkit.surgery import (
    Images,
    check_fit,
    fcn_from_classifier,
    images_of,
    name_fillers,
    name_map,
    surgery_text,
    transplant,
    write_files,
)

from .arguments import network

SOURCE = "bvlc_alexnet"
TARGET = "fcn_alexnet"

# Options that only automatic surgery knows
_AUTO_ONLY = ("stride", "dilate", "skip", "keep_scores", "input_pad", "mean", "input_scale")


def add_arguments(parser):
    parser.add_argument("--weights", help=f"weights to start from (default: fetch {SOURCE})")
    parser.add_argument(
        "--model",
        help="network of those weights, which are checked against it: a prototxt file, a folder "
        "with a deploy.prototxt, or a name under prototxt/",
    )
    parser.add_argument(
        "--target",
        help=f"network to fill: a name under prototxt/ or a prototxt file (default: {TARGET})",
    )
    parser.add_argument(
        "--output",
        help="file to write (default: <target>.caffemodel, here); with --classes, the folder "
        "(default: fcn_<model>, here)",
    )
    parser.add_argument(
        "--name-map",
        action="append",
        default=[],
        metavar="SOURCE=TARGET",
        help="layers whose names differ, or a file of such lines; may be given several times",
    )
    parser.add_argument("--seed", type=int, default=0, help="of random fillers (default: 0)")
    parser.add_argument("--force", action="store_true", help="replace the output file")
    network.add_fork(parser)
    auto = parser.add_argument_group("an FCN of any classifier (--model, with --weights or not)")
    auto.add_argument("--classes", type=int, metavar="N", help="classes to tell apart")
    auto.add_argument(
        "--stride",
        type=int,
        metavar="PIXELS",
        help="of the finest features that are scored: 32, 16, 8, ... (the coarsest: no skips)",
    )
    auto.add_argument(
        "--dilate", action="store_true", help="reach --stride by dilated kernels, without skips"
    )
    auto.add_argument(
        "--skip",
        action="append",
        metavar="BLOB",
        help="features to score, in place of the last of each stride; may be given several times",
    )
    auto.add_argument(
        "--keep-scores",
        action="store_true",
        help="keep the classifier's scoring layer, where its classes are those of the FCN",
    )
    auto.add_argument(
        "--input-pad",
        type=int,
        metavar="PIXELS",
        help="pad images by more than all image sizes need",
    )
    auto.add_argument(
        "--mean",
        help="subtracted from images in training: B,G,R or mean.txt (that of the classifier's "
        "data layer, in --model or in the train_val.prototxt beside it)",
    )
    auto.add_argument(
        "--input-scale",
        type=network.positive(float),
        help="multiplied after the mean (that of the same data layer, else 1)",
    )


def run(args):
    if args.classes is not None:
        return _run_auto(args)
    given = [name for name in _AUTO_ONLY if getattr(args, name) not in (None, False)]
    if given:
        option = "--" + given[0].replace("_", "-")
        raise InputError(f"{option} is for an FCN of a classifier: say --classes N, too")
    return _run_transplant(args)


def _run_auto(args):
    """Make the FCN of a classifier, its files in a folder of their own."""
    if not args.model:
        raise InputError(
            "--classes makes an FCN of a classifier: say which, --model deploy.prototxt"
        )
    if args.target or args.name_map:
        raise InputError("--target and --name-map are for networks that exist; --classes makes one")
    model, model_name = network.network_file(args.model, "deploy.prototxt")
    folder = args.output or f"fcn_{model_name}"
    classifier = read_net(model)
    fcn = fcn_from_classifier(
        classifier,
        args.classes,
        args.stride,
        args.dilate,
        args.keep_scores,
        args.skip,
        args.input_pad,
    )
    weights = None
    if args.weights:
        source = read_caffemodel(args.weights)
        check_fit(source, _trunk_as_it_was(fcn, args.keep_scores), args.weights, model)
        result = transplant(source, fcn.net, seed=args.seed)
        weights = result.weights
    else:
        name_fillers(fcn)
    images = images_of(classifier, model)
    if args.mean is not None:
        images = Images(_mean_values(args.mean, fcn), images.scale, "as --mean says", None)
    if args.input_scale:
        images = images._replace(scale=args.input_scale)
    with output_folder(folder, args.force) as partial:
        name = os.path.basename(os.path.abspath(folder))
        files = write_files(partial, name, fcn, images, weights)
    print(surgery_text(fcn, images))
    if weights is not None:
        moved, total = len(result.moved), len(result.moved) + len(result.filled)
        print(f"{moved} of {total} blobs come from {os.path.basename(args.weights)}")
    print(f"wrote {', '.join(files)} to {folder}")


def _trunk_as_it_was(fcn, with_scores):
    """The classifier's layers whose weights the FCN takes over."""
    net = pb.NetParameter()
    net.CopyFrom(fcn.classifier)
    if not with_scores:
        del net.layer[-1]
    return net


def _mean_values(text, fcn):
    """The mean that `text` tells, one value a channel of the FCN's image."""
    mean = parse_mean(text)
    values = tuple(mean.reshape(len(mean), -1).mean(1).tolist())
    channels = infer_shapes(fcn.net)[fcn.image][1]
    if channels not in (1, 3) or (channels == 1 and len(set(values)) > 1):
        raise InputError(f"--mean {text}: the classifier's images have {channels} channels")
    return values[:channels]


def _run_transplant(args):
    """Move weights into a network that exists."""
    target_path, target_name = network.network_file(args.target or TARGET, "deploy.prototxt")
    output = args.output or f"{target_name}.caffemodel"
    if os.path.exists(output) and not args.force:
        raise InputError(f"{output} exists already: use --force to replace it, or another --output")
    names = name_map(args.name_map)
    target = _deploy(target_path)
    weights_path, model_path = _source(args)
    source_name = os.path.basename(weights_path)

    print(f"Loading {source_name}...")
    source = read_caffemodel(weights_path)
    if model_path:
        check_fit(source, _deploy(model_path), weights_path, model_path)
    print("Transplanting parameters...")
    result = transplant(source, target, names, image_shapes(target), seed=args.seed)
    for step in result.steps:
        print(step)
    print(f"Saving {target_name} to {output}")
    write_caffemodel(output, result.weights, target)
    _summarize(result, source_name)


def _source(args):
    """The paths of the weights and of their network (None where nobody named one)."""
    if args.weights:
        model = args.model and network.network_file(args.model, "deploy.prototxt")[0]
        return args.weights, model
    if args.model:
        raise InputError("--model needs --weights: say which weights are that network's")
    print("Downloading files (this might take a few minutes)...")
    return downloads.fetch(SOURCE, ".", quiet=False), zoo.path(SOURCE, "deploy.prototxt")


def _deploy(path):
    return filter_net(read_net(path), pb.TEST, stages=["deploy"])


def _summarize(result, source_name):
    total = len(result.moved) + len(result.filled)
    print(f"{len(result.moved)} of {total} blobs come from {source_name}")
    for step in result.filled:
        print(f"got nothing: {step.target} {step.index} {step.target_shape}, now {step.reason}")
