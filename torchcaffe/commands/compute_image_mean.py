"""Computes the mean image of a database, as Caffe's tool of that name does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError, datum_to_array, parse_datum, write_blob
from torchcaffe import log

from .databases import BACKEND, read_database
from .flags import Flags
from .main import expect_arguments

if TYPE_CHECKING:
    from numpy.typing import NDArray

USAGE = "[FLAGS] INPUT_DB [OUTPUT_FILE]"
FLAGS = [BACKEND]


def run(flags: Flags, arguments: list[str]) -> None:
    """Log the mean of each channel; write the mean image if an output file is named."""
    expect_arguments(arguments, f"torchcaffe compute_image_mean {USAGE}", 1, 2)
    mean = mean_image(arguments[0], flags.backend)
    if len(arguments) > 1:
        log.info("compute_image_mean.cpp:106", f"Write to {arguments[1]}")
        write_blob(arguments[1], mean[np.newaxis])
    log.info("compute_image_mean.cpp:111", f"Number of channels: {len(mean)}")
    for channel, values in enumerate(mean):
        average = log.number(values.mean(dtype=np.float64))
        log.info("compute_image_mean.cpp:116", f"mean_value channel [{channel}]: {average}")


def mean_image(path: str, backend: str) -> NDArray[np.float32]:
    """Compute the mean, C x H x W, of all images of the database, which must have one size.

    Sums are float32 and added in order, so that they are rounded as in Caffe.
    """
    with read_database(path, backend) as database:
        log.info("compute_image_mean.cpp:70", "Starting iteration")
        total: NDArray[np.float32] | None = None
        count = 0
        for key, value in database.items():
            image = _image(path, key, value)
            if total is None:
                total = np.zeros(image.shape, np.float32)
            if image.shape != total.shape:
                raise InputError(
                    f"{path}: the entry {key!r} has the shape {image.shape}, but the first has "
                    f"{total.shape} (C, H, W); a mean needs images of one size."
                )
            total += image
            count += 1
            if count % 10000 == 0:
                log.info("compute_image_mean.cpp:95", f"Processed {count} files.")
    log.info("compute_image_mean.cpp:101", f"Processed {count} files.")
    if total is None:
        raise InputError(f"{path}: the database is empty")
    return total / np.float32(count)


def _image(path: str, key: bytes, value: bytes) -> NDArray[np.float32] | NDArray[np.uint8]:
    name = f"{path}: the entry {key!r}"
    try:
        return datum_to_array(parse_datum(value, name))
    except InputError as error:
        raise error.prefixed(name) from error
