"""Writes the values of a net's blobs into databases, as Caffe's tool of that name does."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from caffeformat import InputError, array_to_datum, pb, whole_number
from torchcaffe import log
from torchcaffe.nets import Net

from .databases import create_database
from .engine_flags import ALLOW_PYTHON, allow_python, choose_device, words
from .flags import Flags
from .main import expect_arguments

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from caffeformat.databases import DatabaseWriter

USAGE = "WEIGHTS NET BLOB[,BLOB...] DATABASE[,DATABASE...] NUM_MINI_BATCHES DB_TYPE [CPU|GPU] [N]"
FLAGS = [ALLOW_PYTHON]


def run(flags: Flags, arguments: list[str]) -> None:
    """Run the net's TEST phase; the rows of each blob become Datums of floats in its database."""
    usage = f"torchcaffe extract_features {USAGE}"
    expect_arguments(arguments, usage, 6, 8)
    weights, model, blobs, databases, batches, backend = arguments[:6]
    names, paths = words(blobs), words(databases)
    if len(names) != len(paths):
        raise InputError(f"{len(names)} blobs, but {len(paths)} databases; name one per blob.")
    if len(set(map(os.path.abspath, paths))) < len(paths):
        raise InputError(f"{databases}: one database is named twice; name one per blob.")
    mode, number = [*arguments[6:], *("CPU", "0")[len(arguments) - 6 :]]
    if mode not in ("CPU", "GPU"):
        raise InputError(f'the mode is "{mode}"; expected CPU or GPU. Usage: {usage}')
    if not whole_number(batches):
        raise InputError(f'NUM_MINI_BATCHES is "{batches}"; expected a number of 1 or more.')
    allow_python(flags.allow_python)
    choose_device(number if mode == "GPU" else "", "extract_features.cpp:62")
    net = Net(model, weights, pb.TEST)
    for name in names:
        if name not in net.blobs:
            raise InputError(f'{model} has no blob "{name}"; it has: {", ".join(net.blobs)}.')
    log.info("extract_features.cpp:133", "Extracting Features")
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(create_database(path, backend)) for path in paths]
        for _ in range(int(batches)):
            net.run_forward()
            for name, writer in zip(names, writers):
                _put_rows(writer, net.blobs[name].data)
    for name, writer in zip(names, writers):
        log.info(
            "extract_features.cpp:176",
            f"Extracted features of {len(writer)} query images for feature blob {name}",
        )
    log.info("extract_features.cpp:181", "Successfully extracted the features!")


def _put_rows(writer: DatabaseWriter, values: NDArray[np.float32]) -> None:
    """Write one float Datum, C x H x W, per row of a blob of up to four axes."""
    if not 1 <= values.ndim <= 4:
        raise InputError(f"a feature blob has the shape {values.shape}; expected 1 to 4 axes.")
    shape = values.shape[1:] + (1,) * (4 - values.ndim)
    for row in values:
        datum = array_to_datum(row.reshape(shape))
        writer.put(f"{len(writer):010}".encode(), datum.SerializeToString())
