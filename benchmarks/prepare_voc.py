#!/usr/bin/env python3
"""Time and disk of preparing a VOC archive, compared to unpacking all of it and copying.

    benchmarks/prepare_voc.py [--rounds 3] [--work DIR] [--scale 1]

Makes an archive with the official one's counts and sizes (17,125 photographs, 2,913 of them with
labels, annotations, about 1.9 GB; the photographs are a few distinct ones of the usual size), as
.tar and as .tar.gz. Each round runs both ways, one after the other; the shortest time of each
counts. The other way is `tar xf` and one `cp` per folder. Disk is the largest size of
the work folder beyond archive and output, sampled during a run. Nothing is removed
before the end (some 20 GB by then), because ext4 creates files slowly for a while after many were
removed. Exits with 1 if a target is missed.
"""

import argparse
import io
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

import numpy as np
from PIL import Image, ImageFilter

from fcnkit.data_prep import prepare_voc
from fcnkit.images import voc_palette

PHOTOS, TRAIN, VAL = 17_125, 1_464, 1_449
ROOT = "VOCdevkit/VOC2012"
TIMES_FASTER = 2.0
DISK_SHARE = 0.01


def photograph(rng, kilobytes):
    """A JPEG of 500 x 375 and about `kilobytes`: smooth noise, finer for larger files."""
    noise = rng.randint(0, 256, (375, 500, 3)).astype(np.uint8)
    image = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(0.8))
    low, high = 10, 98
    while low < high:
        middle = (low + high + 1) // 2
        file = io.BytesIO()
        image.save(file, "JPEG", quality=middle)
        if file.tell() <= kilobytes * 1000:
            low = middle
        else:
            high = middle - 1
    file = io.BytesIO()
    image.save(file, "JPEG", quality=low)
    return file.getvalue()


def label(rng):
    """A paletted PNG of 500 x 375: some shapes of classes with an ignore border."""
    classes = np.zeros((375, 500), np.uint8)
    y, x = np.mgrid[:375, :500]
    for _ in range(4):
        radius = rng.randint(20, 120)
        distance = np.hypot(y - rng.randint(375), x - rng.randint(500)) + rng.randint(0, 3)
        classes[distance < radius + 4] = 255
        classes[distance < radius] = rng.randint(1, 21)
    image = Image.fromarray(classes)
    image.putpalette(voc_palette().tobytes())
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def make_archive(path, scale):
    """Write the archive, its folders in the official one's (alphabetical) order."""
    rng = np.random.RandomState(0)
    order = random.Random(0)
    photos = [photograph(rng, kilobytes) for kilobytes in (70, 85, 100, 110, 120, 135, 150)]
    labels = [label(rng) for _ in range(5)]
    ids = [f"{2007 + i % 6}_{i:06d}" for i in range(int(PHOTOS * scale))]
    chosen = order.sample(ids, int((TRAIN + VAL) * scale))
    sets = {"train": chosen[: int(TRAIN * scale)], "val": chosen[int(TRAIN * scale) :]}

    with tarfile.open(path, "w") as tar:

        def add(name, content):
            info = tarfile.TarInfo(f"{ROOT}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))

        for id_ in ids:
            add(f"Annotations/{id_}.xml", b"<annotation>" + b" " * order.randint(500, 1500))
        for name, members in sets.items():
            add(f"ImageSets/Segmentation/{name}.txt", "".join(f"{i}\n" for i in members).encode())
        for id_ in ids:
            add(f"JPEGImages/{id_}.jpg", order.choice(photos))
        for folder in ("SegmentationClass", "SegmentationObject"):
            for id_ in sorted(chosen):
                add(f"{folder}/{id_}.png", order.choice(labels))


def unpack_and_copy(archive, out, scratch):
    """The usual way: unpack everything, then copy what the image sets name."""
    os.makedirs(scratch)
    subprocess.run(["tar", "xf", archive, "-C", scratch], check=True)
    devkit = os.path.join(scratch, ROOT)
    for name in ("train", "val"):
        with open(os.path.join(devkit, "ImageSets", "Segmentation", f"{name}.txt")) as file:
            ids = file.read().split()
        for source, end, kind in (
            ("JPEGImages", "jpg", "images"),
            ("SegmentationClass", "png", "labels"),
        ):
            place = os.path.join(out, name, kind)
            os.makedirs(place)
            files = "\n".join(os.path.join(devkit, source, f"{id_}.{end}") for id_ in ids)
            command = ["xargs", "cp", "-t", place]
            subprocess.run(command, input=files, text=True, check=True)


def disk_use(folder):
    """Return the bytes on disk below `folder`, which may change meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
            except OSError:
                continue
    return total


class PeakDisk(threading.Thread):
    """Samples the disk use of a folder until it is stopped; `peak` is the largest."""

    def __init__(self, folder):
        super().__init__()
        self._folder, self._stop_asked, self.peak = folder, threading.Event(), 0

    def run(self):
        while not self._stop_asked.wait(0.2):
            self.peak = max(self.peak, disk_use(self._folder))

    def stop(self):
        self._stop_asked.set()
        self.join()
        self.peak = max(self.peak, disk_use(self._folder))


def timed(work):
    """Seconds that `work()` takes, beginning with nothing left to be written to disk."""
    os.sync()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(archive, work, rounds):
    """Print the comparison for one archive; returns whether it meets the targets."""
    work = tempfile.mkdtemp(dir=work)
    ours, theirs = [], []
    for number in range(rounds):
        out, scratch = os.path.join(work, f"theirs{number}"), os.path.join(work, f"all{number}")
        theirs.append(timed(lambda out=out, tmp=scratch: unpack_and_copy(archive, out, tmp)))
        out = os.path.join(work, f"ours{number}")
        ours.append(timed(lambda out=out: prepare_voc(archive, out)))
    # Sampling takes time, so the disk is watched in a separate run.
    out = os.path.join(work, "watched", "out")
    os.makedirs(os.path.dirname(out))
    tempfile.tempdir = os.path.dirname(out)  # temporary files count, too
    watch = PeakDisk(os.path.dirname(out))
    watch.start()
    counts = prepare_voc(archive, out)
    watch.stop()
    tempfile.tempdir = None
    beyond = (watch.peak - disk_use(out)) / os.path.getsize(archive)
    ratio = min(theirs) / min(ours)
    size = os.path.getsize(archive) / 1e9
    print(
        f"{os.path.basename(archive)} ({size:.2f} GB, {sum(counts.values())} pairs): "
        f"unpack and copy {min(theirs):.2f} s, prepare {min(ours):.2f} s: {ratio:.1f}x faster "
        f"(target {TIMES_FASTER:.0f}x); disk beyond the output {beyond:.2%} of the archive "
        f"(target {DISK_SHARE:.0%})",
        flush=True,
    )
    return ratio >= TIMES_FASTER and beyond < DISK_SHARE


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", help="folder to work in (default: a temporary one)")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the official counts")
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="prepare_voc.", dir=args.work)
    try:
        archive = os.path.join(work, "voc.tar")
        make_archive(archive, args.scale)
        met = compare(archive, work, args.rounds)
        subprocess.run(["gzip", "--keep", archive], check=True)
        met &= compare(archive + ".gz", work, args.rounds)
    finally:
        shutil.rmtree(work)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
