"""The snapshots of a model, and the best weights that its training keeps beside them."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from caffeformat import InputError, brief
from fcnkit.training import read_best

from .bench import bench
from .scores import RUN
from .summaries import curve_rows

if TYPE_CHECKING:
    from fcnkit.jobs import Job
    from fcnkit.training import Best

BEST = "best"  # as a snapshot's name


def snapshots(run: str) -> dict[int, str]:
    """Return {iteration: weights} of the snapshots in the folder of a run."""
    found = {}
    try:
        names = os.listdir(run)
    except OSError:
        return {}
    for name in names:
        stem, _, number = name.partition(".caffemodel")[0].rpartition("_iter_")
        if stem and number.isdecimal() and name.endswith((".caffemodel", ".caffemodel.h5")):
            path = os.path.join(run, name)
            if os.path.isfile(path):
                found[int(number)] = path
    return found


def best_of(run: str) -> Best | None:
    """Return the weights of a run with the best mean IoU of the validation images so far.

    None where it has none, and while they are being written.
    """
    try:
        return read_best(run)
    except InputError:
        return None


def named(job: Job, wanted: str) -> str | None:
    """Return the weights of a model's snapshot by its name; None for the newest.

    A name is an epoch, as in DIGITS, an iteration with an `i` before it, or `best`.
    """
    wanted = wanted.strip()
    if wanted in ("", "-1", "newest"):
        return None
    run = bench().jobs.path(job.id, RUN)
    if wanted == BEST:
        best = best_of(run)
        if best is None:
            raise InputError("snapshot_epoch: no weights are the best before a validation")
        return best.weights
    there = snapshots(run)
    epoch = epoch_of(job) or 1
    for iteration, path in there.items():
        if wanted == f"i{iteration}":
            return path
    try:
        number = float(wanted)
    except ValueError:
        number = math.nan
    if not there or not math.isfinite(number):
        raise InputError(f"snapshot_epoch: there is no snapshot {brief(wanted)}")
    nearest = min(there, key=lambda iteration: abs(iteration / epoch - number))
    if abs(nearest / epoch - number) > 0.01:
        raise InputError(f"snapshot_epoch: there is no snapshot of epoch {brief(wanted)}")
    return there[nearest]


def epoch_of(job: Job) -> int | None:
    """Return how many steps one epoch of a model's run has; None where its folder does not say."""
    found = job.settings.get("epoch")
    return found if type(found) is int and found > 0 else None


def newest_weights(run: str) -> str | None:
    """Return the weights of a run's newest snapshot, by its number; None where it has none."""
    found = sorted(snapshots(run).items())
    return found[-1][1] if found else None


def snapshot_rows(id_: str, job: Job) -> list[dict[str, Any]]:
    """Return the snapshots of a model, the newest first, with the scores at their iterations.

    The best weights are marked where a snapshot of their iteration is there, and have a row of
    their own, the first one, where there is none.
    """
    run = bench().jobs.path(id_, RUN)
    tested = {int(row["iteration"]): row for row in curve_rows(id_) if "test_mean_iou" in row}
    epoch = epoch_of(job)
    best = best_of(run)
    there = sorted(snapshots(run).items(), reverse=True)
    lines = [(f"i{iteration}", iteration, path) for iteration, path in there]
    if best is not None and best.iteration not in dict(there):
        lines.insert(0, (BEST, best.iteration, best.weights))
    found: list[dict[str, Any]] = []
    for name, iteration, path in lines:
        row = tested.get(iteration, {})
        try:
            size = os.path.getsize(path)
        except OSError:
            continue
        found.append(
            {
                "name": name,
                "iteration": iteration,
                "epoch": round(iteration / epoch, 3) if epoch else None,
                "mean_iou": row.get("test_mean_iou"),
                "accuracy": row.get("test_pixel_accuracy"),
                "size": size,
                "weights": path,
                "best": best is not None and iteration == best.iteration,
            }
        )
    if best is None:  # runs of earlier versions keep none
        scored = [each for each in found if each["mean_iou"] is not None]
        if scored:
            max(scored, key=lambda each: each["mean_iou"])["best"] = True
    return found
