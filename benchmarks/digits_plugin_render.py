"""Time that the DIGITS visualization takes to render one class map, compared to outlining.

    OMP_NUM_THREADS=1 python benchmarks/digits_plugin_render.py

One 500 x 375 map, 21 classes, 6 of them present, outlines on. "render" is argmax, fill and outlines
(RGBA pixels, image encoding apart). The comparison outlines each class by a signed distance
transform, as DIGITS' own segmentation view does it; it needs scikit-fmm (`pip install scikit-fmm`)
and starts from the finished class map, so that it has less to do. Times are medians of processor
time in one run: other work on the machine hardly matters, and on an idle core they equal
wall-clock time. Exits with 1 if a target is missed.
"""

import argparse
import os
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "digits_plugin"))
sys.path.insert(0, os.path.join(ROOT, "tests", "digits_plugin"))

import numpy as np  # noqa: E402
import scene  # noqa: E402
from digits_fcn import classmap, paint, palette  # noqa: E402

MILLISECONDS = 25.0
TIMES_FASTER = 10.0


def case():
    """Scores (21 x 375 x 500 float32) of which exactly six classes win somewhere."""
    _image, label = scene.drawn(500, 375)
    scores = scene.scores(label)
    present = np.unique(label[label != 255])
    others = [c for c in range(21) if c not in present]
    scores[others] -= 100
    assert len(present) == 6 and len(np.unique(scores.argmax(axis=0))) == 6
    return scores


def render(scores):
    """What the visualization does for a map: argmax, fill, outlines. H x W x 4 uint8."""
    indices, _best = classmap.argmax(scores)
    return paint.paint(indices, palette.voc(), fill=0.5, outline=3, background=0)


def by_distance(indices):
    """Fill and outlines by a signed distance transform per class. H x W x 4 uint8."""
    import skfmm

    rgba = np.empty(indices.shape + (4,), np.uint8)
    rgba[:, :, :3] = palette.voc()[indices]
    rgba[:, :, 3] = np.where(indices == 0, 0, 128)
    line = np.zeros(indices.shape, bool)
    for index in np.unique(indices):
        if index != 0:
            mask = indices == index
            line |= mask & (skfmm.distance(mask.astype(np.float32) - 0.5) < 3)
    rgba[line, 3] = 255
    return rgba


def median_ms(work, repeats):
    """Median processor time of `work()` in milliseconds, after one call to warm up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * float(np.median(times))


def main():
    """Print the table; returns 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=31)
    repeats = parser.parse_args().repeats
    scores = case()
    indices, best = classmap.argmax(scores)
    ours = median_ms(lambda: render(scores), repeats)
    rows = [
        ("render: argmax, fill, outlines", ours),
        ("  of which argmax", median_ms(lambda: classmap.argmax(scores), repeats)),
        ("  numpy.argmax, for comparison", median_ms(lambda: scores.argmax(axis=0), 5)),
        ("confidence (softmax), on top", median_ms(lambda: classmap.confidence(scores, best), 9)),
    ]
    try:
        theirs = median_ms(lambda: by_distance(indices), 3)
        rows.append(("outlines by signed distance, a class each", theirs))
    except ImportError:
        theirs = None
    python = sys.version.split()[0]
    print(f"Python {python}, NumPy {np.__version__}, 500 x 375, 21 classes, 6 present")
    for name, ms in rows:
        print(f"{name:44} {ms:8.1f} ms")
    if theirs is None:
        print("scikit-fmm is not installed: no comparison")
        return int(ours > MILLISECONDS)
    print(f"{theirs / ours:.0f} times faster (target {TIMES_FASTER:.0f})")
    return int(ours > MILLISECONDS or theirs / ours < TIMES_FASTER)


if __name__ == "__main__":
    sys.exit(main())
