"""Compare two models on images: their scores, their masks and the IoU between them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from PIL import Image
from tqdm import tqdm

from caffeformat import InputError, atomic_write
from fcnkit import inference
from fcnkit.export import OnnxSegmenter
from fcnkit.files import write_json
from fcnkit.images import Preprocessor, parse_mean
from fcnkit.inference import Segmenter, find_images, names_for
from fcnkit.progress import Progress

from .arguments import network

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("images", nargs="+", help="images, or folders of them")
    for which in ("first", "second"):
        parser.add_argument(
            f"--{which}",
            nargs="+",
            required=True,
            metavar="FILE",
            help="NET.prototxt WEIGHTS.caffemodel, or MODEL.onnx",
        )
    group = parser.add_argument_group("networks (not for ONNX models that take images)")
    group.add_argument(
        "--mean", help="mean to subtract: B,G,R, mean.binaryproto or mean.txt (default: none)"
    )
    group.add_argument(
        "--input-scale",
        type=float,
        default=1.0,
        help="factor after the mean is subtracted (default: 1)",
    )
    group.add_argument(
        "--channels",
        choices=("BGR", "RGB"),
        default="BGR",
        help="channel order of the nets' inputs (default: BGR)",
    )
    group.add_argument(
        "--output-blob", help="blob with the class scores (default: score, or the only output)"
    )
    network.add_engine(group)
    group = parser.add_argument_group("results")
    network.add_classes(group)
    group.add_argument(
        "--worst",
        type=network.positive(int),
        default=5,
        metavar="N",
        help="number of images to list (default: 5)",
    )
    group.add_argument("--sheet", metavar="FILE", help="write the images that differ most as a PNG")
    group.add_argument("--json", metavar="FILE", help="write everything as JSON")
    group.add_argument("--force", action="store_true", help="overwrite existing files")
    group.add_argument(
        "--at-least",
        type=float,
        metavar="SHARE",
        help="exit with 1 where a smaller share of the pixels (0 to 1) has the same class",
    )


def run(args: argparse.Namespace) -> int:
    """Compare, print the table, and write the requested files."""
    for path in filter(None, (args.sheet, args.json)):
        if os.path.exists(path) and not args.force:
            raise InputError(f"{path} exists already: choose another name, or pass --force")
    if args.at_least is not None and not 0 <= args.at_least <= 1:
        raise InputError(f"--at-least {args.at_least:g}: expected a share from 0 to 1")
    args.run_folder = args.digits_model = None  # for names_and_palette
    names, palette = network.names_and_palette(args)
    images = find_images(args.images)
    first, second = (_model(args, files) for files in (args.first, args.second))
    with tqdm(total=len(images), unit="image", leave=False) as bar:
        found = inference.compare(first, second, images, args.worst, _Bar(bar))
    for model, files in ((first, args.first), (second, args.second)):
        warning = network.unmatched_warning(model, files[-1])
        if warning:
            print(warning, file=sys.stderr)
    if found.largest("largest") is not None:
        names = names_for(found.board.matrix.n, names)
    print("\n".join(inference.table(found, names)))
    if args.json:
        write_json(args.json, inference.as_dict(found, names))
    if args.sheet:
        with atomic_write(args.sheet) as file:
            Image.fromarray(inference.sheet(found, palette)).save(file, format="PNG")
    if args.at_least is None:
        return 0
    if found.equal < args.at_least:
        print(
            f"error: {100 * found.equal:.4f}% of the pixels have the same class; expected at least "
            f"{100 * args.at_least:.4f}%",
            file=sys.stderr,
        )
        return 1
    if found.problems:
        print("error: scores that are not finite numbers agree with nothing", file=sys.stderr)
        return 1
    return 0


def _model(args: argparse.Namespace, files: Sequence[str]) -> Segmenter | OnnxSegmenter:
    mean = parse_mean(args.mean) if args.mean else None
    preprocessor = Preprocessor(mean, args.input_scale, args.channels)
    if len(files) == 1 and files[0].endswith(".onnx"):
        return OnnxSegmenter(files[0], preprocessor, args.output_blob)
    if len(files) != 2:
        raise InputError(
            f"{' '.join(files)}: expected a model: NET.prototxt WEIGHTS.caffemodel, or MODEL.onnx"
        )
    net, weights = files
    return Segmenter(
        net, weights, preprocessor, args.output_blob, gpu=args.gpu, allow_python=args.allow_python
    )


class _Bar(Progress):
    def __init__(self, bar: tqdm[Any]) -> None:
        self._bar = bar

    def step(
        self,
        done: int,
        total: int | None = None,
        what: str = "",
        figures: Mapping[str, float] | None = None,
    ) -> None:
        self._bar.update(done - self._bar.n)
