"""Computes the mean image of a database, as Caffe's tool of that name does."""

import numpy as np

from caffeformat import InputError, datum_to_array, pb, write_blob

from .. import log
from . import expect_arguments
from .databases import BACKEND, read_database

USAGE = "[FLAGS] INPUT_DB [OUTPUT_FILE]"
FLAGS = [BACKEND]


def run(flags, arguments):
    """Log the mean of each channel; write the mean image where an output file is named."""
    expect_arguments(arguments, f"torchcaffe compute_image_mean {USAGE}", 1, 2)
    mean = mean_image(arguments[0], flags.backend)
    if len(arguments) > 1:
        log.info("compute_image_mean.cpp:106", f"Write to {arguments[1]}")
        write_blob(arguments[1], mean[np.newaxis])
    log.info("compute_image_mean.cpp:111", f"Number of channels: {len(mean)}")
    for channel, values in enumerate(mean):
        average = log.number(values.mean(dtype=np.float64))
        log.info("compute_image_mean.cpp:116", f"mean_value channel [{channel}]: {average}")


def mean_image(path, backend):
    """C x H x W float32, the mean of all images of the database, which must be of one size.

    Sums are float32 and added in order, so that they are Caffe's also where they are rounded.
    """
    with read_database(path, backend) as database:
        log.info("compute_image_mean.cpp:70", "Starting iteration")
        total, count = None, 0
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
    return total / np.float32(count)


def _image(path, key, value):
    datum = pb.Datum()
    try:
        datum.ParseFromString(value)
        return datum_to_array(datum)
    except Exception as error:  # protobuf's own error class differs between its releases
        message = f"{path}: the entry {key!r} is no Datum that can be read: {error}"
        raise InputError(message) from error
