"""Masks without the page: `python -m digits_fcn SCORES --out FOLDER`.

SCORES is a NumPy file (.npy: one output; .npz: one array per output) or the JSON that DIGITS
returns from `infer_one.json` and `infer_many.json`. For each output and sample the command writes
`<name>_mask.png` (paletted, 255 = ignore), `<name>_map.json` (COCO's run lengths) and, with
--image, `<name>_overlay.png`.
"""

from __future__ import absolute_import, division, print_function, unicode_literals

import argparse
import io
import json
import os
import re
import sys
import zipfile

import numpy as np

from . import classmap, export, images, labels, metrics, names, page, paint, palette
from .errors import FcnError
from .text import decode, read_bytes, read_text, shorten, to_text

# JSON spends some ten bytes on each score.
MAX_INPUT = 8 * 1024 * 1024 * 1024


def main(arguments=None):
    """Run the command; returns the exit status (2 on failure, with a message on stderr)."""
    options = parser().parse_args(arguments)
    try:
        for line in run(options):
            _print(line, sys.stdout)
    except FcnError as error:
        _print("digits_fcn: " + error.words, sys.stderr)
        return 2
    return 0


def parser():
    """Return the parser of the command's arguments."""
    p = argparse.ArgumentParser(prog="python -m digits_fcn", description=__doc__.split("\n\n")[0])
    p.add_argument("scores", help=".npy, .npz, or the JSON of DIGITS' infer_one / infer_many")
    p.add_argument("--out", default=".", help="folder to write to (default: here)")
    p.add_argument("--output", help="write only this output (default: all that are maps)")
    p.add_argument("--image", help="image for the overlay, of any size")
    p.add_argument("--truth", help="label image to score against")
    p.add_argument("--palette", default="voc", help="voc, even, or a palette file (default: voc)")
    p.add_argument("--names", help="class names file, one name per line")
    p.add_argument("--fill", type=float, default=0.5, help="opacity of the fill, 0 to 1")
    p.add_argument("--outline", type=int, default=2, help="width of the outline, 0 to 6 pixels")
    p.add_argument("--mask", type=float, default=0.0, help="darkening of the background, 0 to 1")
    return p


def run(options):
    """Do the work of the command; yields the lines to print."""
    if not os.path.isdir(options.out):
        os.makedirs(options.out)
    class_names = names.parse(read_text(options.names), options.names) if options.names else None
    for sample, outputs in load(options.scores):
        if options.output is not None:
            if options.output not in outputs:
                raise FcnError(
                    "There is no output '%s'; there are: %s."
                    % (shorten(options.output), shorten(", ".join(sorted(outputs)), 300))
                )
            outputs = {options.output: outputs[options.output]}
        maps, notes = classmap.class_maps(outputs)
        for note in notes:
            yield note
        for found in maps:
            name = sample if len(maps) == 1 else sample + "_" + file_name(found.name)
            for line in write(name, found, class_names, options):
                yield line


def write(name, found, class_names, options):
    """Write the files of one ClassMap; yields a line for each, then its legend."""
    start = os.path.join(options.out, name)
    if options.palette in ("voc", "even"):
        table = palette.voc() if options.palette == "voc" else palette.even(found.classes or 256)
    else:
        table = palette.filled(palette.read(options.palette), found.classes or 256)
    document = export.coco(found.indices, table, class_names, classes=found.classes, file_name=name)
    files = {
        "_mask.png": export.paletted_png(found.indices, table),
        "_map.json": export.json_text(document).encode("ascii"),
    }
    if options.image:
        image = np.array(images.open_image(_bytes(options.image), options.image).convert("RGB"))
        files["_overlay.png"] = export.overlay_png(
            paint.to_rgb(image, found.indices.shape),
            found.indices,
            table,
            fill=options.fill,
            outline=options.outline,
            mask=options.mask,
            background=names.background(class_names),
        )
    for ending in sorted(files):
        with io.open(start + ending, "wb") as f:
            f.write(files[ending])
        yield start + ending
    truth = counts = None
    if options.truth:
        colours = palette.voc()[: len(names.VOC)]
        truth = labels.read_label(_bytes(options.truth), options.truth, colours)[0]
        counts = page.check_truth(truth, found, class_names)
        yield "mean IoU %.4f, pixel accuracy %.4f" % (
            metrics.mean_iou(counts),
            metrics.pixel_accuracy(counts),
        )
    for row in page.legend(found.indices, table, class_names, found.classes, truth, counts):
        score = "" if row["iou"] is None else "  IoU %.4f" % row["iou"]
        yield "  %3d  %6.2f %%%s  %s" % (row["index"], 100 * row["share"], score, row["name"])


def load(path):
    """Return pairs (file name of the sample, dict of output -> array) from a file of scores.

    An N x C x H x W array holds N samples. NumPy files are read without pickle.
    """
    stem = file_name(os.path.splitext(os.path.basename(path))[0])
    try:
        if path.lower().endswith(".json"):
            found = json.loads(decode(_bytes(path)))["outputs"]
            dict.keys(found)  # TypeError unless it is an object
        else:
            found = np.load(path, allow_pickle=False)
            found = dict(found) if hasattr(found, "files") else {"score": found}
    except (ValueError, LookupError, TypeError, IOError, zipfile.BadZipfile) as error:
        raise FcnError(
            "%s cannot be read as scores (%s); expected .npy, .npz or the JSON of DIGITS' "
            "infer_one.json." % (shorten(path), shorten(error))
        )
    nested = all(isinstance(value, dict) for value in found.values())
    if nested and path.lower().endswith(".json"):  # infer_many.json: sample -> outputs
        return [(stem + "_" + file_name(key), _arrays(found[key])) for key in sorted(found)]
    return _samples(stem, _arrays(found))


def _arrays(outputs):
    return {to_text(name): np.asarray(outputs[name]) for name in outputs}


def _samples(stem, outputs):
    count = max([len(a) for a in outputs.values() if a.ndim == 4] or [1])
    if count == 1:
        return [(stem, outputs)]
    return [
        (
            "%s_%d" % (stem, i),
            {name: a[i] if a.ndim == 4 and len(a) == count else a for name, a in outputs.items()},
        )
        for i in range(count)
    ]


def file_name(text):
    """Return `text` with all but letters, digits, - and . replaced, at most 100 characters."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", to_text(text)).strip(".")[:100] or "sample"


def _bytes(path):
    return read_bytes(path, MAX_INPUT)


def _print(line, stream):
    line = to_text(line)
    if sys.version_info[0] == 2:
        line = line.encode(stream.encoding or "utf-8", "replace")
    try:
        print(line, file=stream)
    except UnicodeEncodeError:  # a terminal without Unicode
        print(line.encode("ascii", "backslashreplace").decode("ascii"), file=stream)


if __name__ == "__main__":
    sys.exit(main())
