#!/usr/bin/env python3
"""One full-size step of each tutorial's recipe on the CPU: its seconds and its peak memory.

    benchmarks/recipes.py [RECIPE ...] [--limit GIB] [--threads N]

Each network of a recipe takes one step at the recipe's own crop and batch size, with its
augmentation, loss and solver, in a process of its own, on images of 500 x 375 of noise and weights
from the fillers; a step is all passes of an update. Stages that differ in data and rate alone are
one row. A process that takes more than the limit is ended and started again with activations
recomputed, then with half the batch and twice the passes, and so on; the table says so. The peak
is that of the process, libraries included. Prints a table in Markdown.
"""

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

GIB = 2**30
WIDTH, HEIGHT, CLASSES, IMAGES = 500, 375, 21, 16
RECOMPUTED = "activations recomputed"
COLUMNS = ("recipe", "network", "images per pass", "passes", "parameters", "step", "peak", "how")


def write_images(folder):
    """A dataset folder with images of noise and labels of squares, all alike in size."""
    from PIL import Image

    random = np.random.RandomState(1)
    for split, count in (("train", IMAGES), ("val", 1)):
        for kind in ("images", "labels"):
            os.makedirs(os.path.join(folder, split, kind))
        for number in range(count):
            image = random.randint(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
            label = random.randint(0, CLASSES, (HEIGHT // 25, WIDTH // 25)).astype(np.uint8)
            label = label.repeat(25, 0).repeat(25, 1)
            for kind, array in (("images", image), ("labels", label)):
                path = os.path.join(folder, split, kind, f"{number}.png")
                Image.fromarray(array).save(path, compress_level=1)
    with open(os.path.join(folder, "classes.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(f"class{number}" for number in range(CLASSES)) + "\n")
    return folder


def stages_of(name, data, folder, changes=()):
    """The planned stages of a recipe that differ in more than data and rate."""
    from fcnkit.training import read_recipe
    from fcnkit.training.recipes import plan_stages

    recipe = read_recipe(name, list(changes))
    places = dict.fromkeys(recipe.roles, data)
    found = {}
    for one in plan_stages(recipe, places, folder):
        values = one.given.values
        found.setdefault((values["network"], str(values.get("augment"))), one)
    return list(found.values())


def take_step(one, recompute):
    """Take one step of a planned stage; returns what the table says of it."""
    from fcnkit import engine
    from fcnkit.datasets import DatasetFolder
    from fcnkit.training.images import settle_images
    from fcnkit.training.preparing import prepare_files
    from fcnkit.training.together import Prepared

    recipe = dataclasses.replace(one.stage.recipe, validate=False)
    engine.use_device(None)
    with DatasetFolder(recipe.data) as dataset:
        files = prepare_files(recipe, dataset)
        settle_images(files)
    if recipe.class_weights is not None:
        raise SystemExit(f"{one.given.name}: class weights are not measured here")
    solver = engine.open_solver(
        Prepared.of(files, None).quiet_solver(files), precision=recipe.precision,
        recompute=recompute or recipe.recompute,
    )  # fmt: skip
    start = time.perf_counter()
    solver.step(1)
    seconds = time.perf_counter() - start
    shape = list(solver.net.blobs["data"].shape)
    parameters = sum(
        int(np.prod(blob.shape)) for blobs in solver.net.params.values() for blob in blobs
    )
    return {
        "shape": shape,
        "passes": files.solver.iter_size,
        "parameters": parameters,
        "seconds": seconds,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB,
    }


def resident(pid):
    """The memory that a process has resident, in GiB; 0 once it has ended."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / GIB
    except (OSError, IndexError, ValueError):
        return 0.0


def measured(name, number, data, recompute, batch, args):
    """What `take_step` returned in a process of its own, or None where it took too much memory."""
    command = [sys.executable, os.path.abspath(__file__), name, "--worker", str(number), data]
    command += ["--recompute"] * recompute + ([] if batch is None else ["--batch", str(batch)])
    environment = {**os.environ, "FCNKIT_ENGINE": "torch"}
    if args.threads:
        environment["OMP_NUM_THREADS"] = str(args.threads)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    while process.poll() is None:
        if resident(process.pid) > args.limit:
            process.kill()
            process.communicate()
            return None
        time.sleep(0.05)
    made, _ = process.communicate()
    if process.returncode == -9:  # by the system, which had no more memory
        return None
    if process.returncode:
        raise SystemExit(f"{name}: the step failed")
    return json.loads(made.splitlines()[-1])


def row_of(name, number, one, data, args):
    """The cells of one network's row."""
    batch, recompute = one.per_pass, False
    while True:
        found = measured(name, number, data, recompute, batch, args)
        if found is not None:
            break
        if recompute and batch == 1:
            return [name, one.given.values["network"], "", "", "", "", f"above {args.limit:g} GiB",
                    "not even one image, " + RECOMPUTED]  # fmt: skip
        if recompute:
            batch //= 2
        recompute = True
    count, _, height, width = found["shape"]
    how = [RECOMPUTED] if recompute else []
    if batch != one.per_pass:
        how.append(f"{batch} images per pass in place of {one.per_pass}")
    return [
        name,
        one.given.values["network"],
        f"{count} of {width} x {height}",
        str(found["passes"]),
        f"{found['parameters'] / 1e6:.1f} M",
        f"{found['seconds']:.1f} s",
        f"{found['peak']:.1f} GiB",
        "; ".join(how) or "as the recipe says",
    ]


def line_of(cells):
    """A line of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--limit", type=float, default=18, help="GiB that a process may take")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--recompute", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    from fcnkit.training import recipe_names

    with tempfile.TemporaryDirectory(prefix="recipes-") as folder:
        if args.worker:
            number, data = args.worker
            changes = [] if args.batch is None else [f"batch_size={args.batch}"]
            one = stages_of(args.recipes[0], data, folder, changes)[int(number)]
            print(json.dumps(take_step(one, args.recompute)))
            return 0
        data = write_images(os.path.join(folder, "data"))
        print(line_of(COLUMNS), line_of(["---"] * len(COLUMNS)), sep="\n", flush=True)
        for name in args.recipes or recipe_names():
            for number, one in enumerate(stages_of(name, data, os.path.join(folder, name))):
                print(line_of(row_of(name, number, one, data, args)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
