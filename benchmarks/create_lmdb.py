#!/usr/bin/env python3
"""Images per second and memory of making LMDBs with two workers, compared to a Pillow loop.

    benchmarks/create_lmdb.py [--images 300] [--rounds 3] [--more 2000]

The images are JPEG photographs of about 110 kB, their labels paletted PNGs. The loop is what a
script does in one thread: open with Pillow, encode with Pillow's defaults (JPEG at DIGITS' quality
of 90), put the Datums, ten to a transaction. That the output is the same is checked: the same keys,
and the same pixels in the Datums of images stored as PNG and of all labels. Where JPEGs stay JPEGs
the bytes of the files are kept, while the loop has to decode and encode them. The PNG case is
measured against a second loop too, which asks Pillow for its fastest compression.

Memory is the anonymous memory (RssAnon) of all processes together at its highest, sampled, for
`--images` and for `--more` images. Exits with 1 if a target is missed.
"""

import argparse
import functools
import io
import multiprocessing
import os
import shutil
import sys
import tempfile
import time

import lmdb
import numpy as np
from PIL import Image
from prepare_voc import label, photograph

from caffeformat import encoded_datum, open_database, pb
from fcnkit.data_prep import Form, create_lmdb
from fcnkit.datasets import find_pairs

TIMES_FASTER = 2.0
MEGABYTES = 400
WORKERS = 2


def make_folders(folder, count):
    """`count` images and labels (a few distinct ones under many names); returns their pairs."""
    rng = np.random.RandomState(0)
    photos = [photograph(rng, kilobytes) for kilobytes in (90, 100, 110, 120, 130)]
    labels = [label(rng) for _ in range(5)]
    for kind, contents, end in (("images", photos, "jpg"), ("labels", labels, "png")):
        os.makedirs(os.path.join(folder, kind))
        for i in range(count):
            with open(os.path.join(folder, kind, f"{i:06d}.{end}"), "wb") as file:
                file.write(contents[i % len(contents)])
    return find_pairs(os.path.join(folder, "images"), os.path.join(folder, "labels"))


def plain_loop(pairs, out, encoding, **options):
    """One thread, Pillow and py-lmdb."""
    environments = []
    for kind in ("features", "labels"):
        os.makedirs(os.path.join(out, "train_db", kind))
        path = os.path.join(out, "train_db", kind)
        environments.append(lmdb.open(path, map_size=1 << 36, map_async=True))
    for start in range(0, len(pairs), 10):
        transactions = [environment.begin(write=True) for environment in environments]
        for index in range(start, min(start + 10, len(pairs))):
            image = Image.open(pairs[index].image).convert("RGB")
            classes = Image.fromarray(np.array(Image.open(pairs[index].label)))
            for transaction, picture, form, settings in (
                (transactions[0], image, encoding, options),
                (transactions[1], classes, "png", {}),
            ):
                file = io.BytesIO()
                picture.save(file, form.upper(), **settings)
                shape = (len(picture.getbands()), picture.height, picture.width)
                datum = encoded_datum(file.getvalue(), shape, label=0)
                transaction.put(b"%09d" % index, datum.SerializeToString())
        for transaction in transactions:
            transaction.commit()
    for environment in environments:
        environment.sync(True)
        environment.close()


def pixels(value):
    """The array in a serialized Datum's image file."""
    with Image.open(io.BytesIO(pb.Datum.FromString(value).data)) as image:
        return np.array(image)


def check_same(ours, theirs, kinds):
    """Raise unless two datasets hold the same keys and pixels."""
    for kind in kinds:
        places = [os.path.join(out, "train_db", kind) for out in (ours, theirs)]
        with open_database(places[0]) as one, open_database(places[1]) as other:
            assert list(one.keys()) == list(other.keys())
            for key in list(one.keys())[:25]:
                assert np.array_equal(pixels(one.get(key)), pixels(other.get(key)))


def folder_size(folder):
    return sum(
        os.lstat(os.path.join(place, name)).st_blocks * 512
        for place, _, names in os.walk(folder)
        for name in names
    )


def compare(title, pairs, work, rounds, encoding, kinds, **options):
    """Time both ways in turn and print the ratio; whether it meets the target."""
    ours, theirs = [], []
    for _ in range(rounds):
        outs = [os.path.join(work, name) for name in ("theirs", "ours")]
        for out in outs:
            shutil.rmtree(out, ignore_errors=True)
        os.sync()
        start = time.perf_counter()
        plain_loop(pairs, outs[0], encoding, **options)
        theirs.append(time.perf_counter() - start)
        os.sync()
        start = time.perf_counter()
        create_lmdb(pairs, [], outs[1], form=Form(encoding), workers=WORKERS)
        ours.append(time.perf_counter() - start)
    check_same(outs[1], outs[0], kinds)
    sizes = [folder_size(out) / 1e6 for out in outs]
    rates = [len(pairs) / min(theirs), len(pairs) / min(ours)]
    ratio = rates[1] / rates[0]
    print(
        f"{title}: loop {rates[0]:.1f} images/s ({sizes[0]:.0f} MB), {WORKERS} workers "
        f"{rates[1]:.1f} images/s ({sizes[1]:.0f} MB): {ratio:.1f}x (target {TIMES_FASTER:.0f}x)",
        flush=True,
    )
    return ratio >= TIMES_FASTER


def anonymous_memory(pid):
    """RssAnon of a process and all its children, in MB."""
    total = 0
    pids = [str(pid)]
    while pids:
        process = pids.pop()
        try:
            with open(f"/proc/{process}/status") as file:
                for line in file:
                    if line.startswith("RssAnon:"):
                        total += int(line.split()[1]) * 1024
            with open(f"/proc/{process}/task/{process}/children") as file:
                pids += file.read().split()
        except OSError:
            continue
    return total / 1e6


def peak_memory(work):
    """MB that `work()`, run in a process of its own, has at its fullest."""
    process = multiprocessing.get_context("spawn").Process(target=work)
    process.start()
    peak = 0
    while process.is_alive():
        peak = max(peak, anonymous_memory(process.pid))
        time.sleep(0.02)
    assert process.exitcode == 0
    return peak


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--more", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="create_lmdb.")
    try:
        pairs = make_folders(os.path.join(work, "in"), args.images)
        run = functools.partial(compare, pairs=pairs, work=work, rounds=args.rounds)
        both = ("features", "labels")
        met = run("PNG", encoding="png", kinds=both)
        met &= run("PNG, loop at its fastest", encoding="png", kinds=both, compress_level=1)
        met &= run("JPEG passed through", encoding="jpeg", kinds=("labels",), quality=90)
        many = make_folders(os.path.join(work, "more"), args.more)
        for encoding in ("png", "jpeg", "raw"):
            for chosen in (pairs, many):
                out = os.path.join(work, "memory")
                make = functools.partial(
                    create_lmdb, chosen, [], out, form=Form(encoding), workers=WORKERS, force=True
                )
                peak = peak_memory(make)
                met &= peak < MEGABYTES
                print(
                    f"{encoding}, {len(chosen)} images: at most {peak:.0f} MB of anonymous memory "
                    f"in all processes (target {MEGABYTES} MB)",
                    flush=True,
                )
    finally:
        shutil.rmtree(work)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
