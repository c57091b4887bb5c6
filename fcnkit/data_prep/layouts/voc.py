"""Makes image and label folders from an archive in PASCAL VOC's layout.

    [anything/]<name>/ImageSets/<task>/<set>.txt     ids, one per line
    [anything/]<name>/JPEGImages/<id>.jpg
    [anything/]<name>/SegmentationClass/<id>.png

The archive is read as a stream, and only what the image sets name is written. If images come before
the image sets in a tar, a second pass fetches those. Archives that annotation tools wrote in this
layout are listed first (see `exports.voc`).
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit.files import output_folder
from fcnkit.progress import Progress

from .exports import voc
from .exports.catalogue import Catalogue
from .exports.plan import DataOptions, chosen_splits
from .exports.prepare import check_options, counted, described
from .exports.writing import write_plan
from .voc_stream import NeedsLook, VocSource, extract_stream

if TYPE_CHECKING:
    from collections.abc import Iterable

_SETS, _TASK, _LABELS = ("train", "val"), "Segmentation", "SegmentationClass"


def prepare_voc(
    archive: str | os.PathLike[str],
    out: str | os.PathLike[str],
    sets: Iterable[str] = _SETS,
    task: str = _TASK,
    name: str | None = None,
    labels: str = _LABELS,
    force: bool = False,
    progress: Progress | None = None,
    val_percent: int | None = None,
    images: str | os.PathLike[str] | None = None,
) -> dict[str, int]:
    """Write `out/<set>/{images,labels}` for each image set; returns {set: number of pairs}.

    archive         tar (plain, gz, bz2, xz), zip or expanded folder
    sets            image sets, lists of ImageSets/<task>
    name            which VOCdevkit/<name>, if the archive holds several
    labels          the archive's folder of labels
    force           whether entries of the same names in `out` are replaced
    val_percent     splits one set into `train` and `val`: the share drawn for `val`
    images          archive or folder of the images, if they lie apart

    Labels are copied as they are, unless a table of classes lies beside them: then they become
    class indices, and `out/classes.txt` is written.
    `progress` receives the lines that DIGITS' script prints as notes. Raises `InputError` if the
    archive is damaged or incomplete, or if `out` is not empty.
    """
    archive, out, progress = os.fspath(archive), os.fspath(out), progress or Progress()
    source = VocSource(archive, list(sets), task, name, labels)
    progress.note(f"Expanding {archive}")
    with output_folder(out, force, [archive, images]) as folder:
        counts, error = None, None
        if val_percent is None and images is None:
            try:
                counts = extract_stream(source, folder, out, progress)
            except NeedsLook as look:
                error = look.error
        if counts is None:
            _empty(folder)
            options = DataOptions(
                images=images,
                val_percent=val_percent,
                sets=None if source.sets == list(_SETS) else source.sets,
                label_folder=None if labels == _LABELS else labels,
            )
            counts = _extract_listed(source, options, folder, error, progress)
    progress.done("Done!")
    return counts


def _empty(folder: str) -> None:
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


def _extract_listed(
    source: VocSource,
    options: DataOptions,
    folder: str,
    error: InputError | None,
    progress: Progress,
) -> dict[str, int]:
    """Write the sets of an archive that was listed first; returns {set: number of pairs}.

    `error` is what an archive as VOC's would have raised; it is raised if files are missing.
    """
    check_options(options)
    catalogue = Catalogue(source.archive, options.images)
    task = None if source.task == _TASK else source.task
    plan = voc.recognise(catalogue, options, source.name, task)
    if plan is None:
        raise InputError(
            f"{source.archive}: is not in PASCAL VOC's layout: expected "
            f"{source.name or '<name>'}/ImageSets/{source.task} and {source.labels}, found "
            "neither: prepare_data reads other layouts"
        )
    try:
        if options.sets is None or options.val_percent is not None:
            splits = chosen_splits(plan, options, source.archive)
        else:
            splits = {name: plan.items_of(name, source.archive) for name in options.sets}
    except voc.MissingFiles:
        if error is not None:
            raise error from None
        raise
    for line in described(plan, splits):
        progress.note(line)
    write_plan(catalogue, plan, splits, folder, progress)
    return counted(splits)
