"""Converts the images that a text file lists into a database, as Caffe's tool of that name does."""

from __future__ import annotations

import io
import os
import re
from typing import TYPE_CHECKING

import torch
from PIL import Image

from caffeformat import InputError, array_to_datum, datum_to_array, encoded_datum, read_bytes
from torchcaffe import log
from torchcaffe.data import resize_pixels

from .databases import BACKEND, create_database
from .flags import Flag, Flags
from .main import expect_arguments

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from caffeformat import pb

USAGE = "[FLAGS] ROOTFOLDER/ LISTFILE DB_NAME"
FLAGS = [
    BACKEND,
    Flag("gray", False, "store one channel of grey"),
    Flag("shuffle", False, "shuffle the list first"),
    Flag("resize_height", 0, "height to resize images to; 0 keeps their own size"),
    Flag("resize_width", 0, "width to resize images to; 0 keeps their own size"),
    Flag("check_size", False, "stop at an image whose size differs from that of the first"),
    Flag("encoded", False, "store image files instead of pixels"),
    Flag("encode_type", "", "format of stored files, png or jpg; without it, their own"),
]
_FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "bmp": "BMP"}
_JPEG_QUALITY = 95  # what OpenCV, and with it Caffe's tool, writes


def run(flags: Flags, arguments: list[str]) -> None:
    """Write the database; images that cannot be read are logged and left out."""
    expect_arguments(arguments, f"torchcaffe convert_imageset {USAGE}", 3)
    root, list_file, target = arguments
    entries = read_list(list_file)
    if flags.shuffle:
        log.info("convert_imageset.cpp:86", "Shuffling data")
        entries = [entries[index] for index in torch.randperm(len(entries)).tolist()]
    log.info("convert_imageset.cpp:89", f"A total of {len(entries)} images.")
    if flags.encode_type and not flags.encoded:
        log.info("convert_imageset.cpp:92", "encode_type specified, assuming encoded=true.")
    size = None
    with create_database(target, flags.backend) as writer:
        for number, (name, label) in enumerate(entries):
            try:
                datum = _datum(_join(root, name), name, label, flags)
            except InputError as error:
                log.logger.error("%s; it is left out", error)
                continue
            size = size or (datum.channels, datum.height, datum.width)
            found = (datum.channels, datum.height, datum.width)
            if flags.check_size and not datum.encoded and found != size:
                raise InputError(
                    f"{name}: has the shape {found}, but the first image has {size} (C, H, W); "
                    "pass -resize_height and -resize_width, or leave out -check_size."
                )
            # Names need not be UTF-8: keys have the bytes that are in the list.
            key = f"{number:08}_{name}".encode("utf-8", "surrogateescape")
            writer.put(key, datum.SerializeToString())
            if len(writer) % 1000 == 0:
                log.info("convert_imageset.cpp:147", f"Processed {len(writer)} files.")
        if not len(writer):
            raise InputError(f"{list_file}: none of its images under {root} could be read.")
        if len(writer) % 1000:
            log.info("convert_imageset.cpp:153", f"Processed {len(writer)} files.")


def read_list(path: str) -> list[tuple[str, int]]:
    """Read image names and labels from a text file of lines `name label`; names may hold spaces."""
    entries = []
    lines = read_bytes(path).decode("utf-8", "surrogateescape").split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = re.fullmatch(r"(.*\S)\s+([-+]?\d+)\s*", line)
        if match is None:
            raise InputError(
                f'{path}:{number}: found "{line}"; expected an image, a space and a whole number.'
            )
        label = int(match[2]) if len(match[2]) < 20 else 1 << 31
        if not -(1 << 31) <= label < 1 << 31:
            raise InputError(
                f"{path}:{number}: the label {match[2][:40]} does not fit in 32 bits, the size of "
                "a Datum's label."
            )
        entries.append((match[1], label))
    if not entries:
        raise InputError(f"{path}: the list is empty.")
    return entries


def _join(root: str, name: str) -> str:
    """Join `root` and `name` as Caffe does, but supply the slash that many forget."""
    return os.path.join(root, "") + name if os.path.isdir(root) else root + name


def _datum(path: str, name: str, label: int, flags: Flags) -> pb.Datum:
    """Make the database entry of one image."""
    data = read_bytes(path)
    encoding = flags.encode_type.lower()
    if flags.encoded and not encoding:
        encoding = os.path.splitext(name)[1][1:].lower()
        if not encoding:
            raise InputError(f"{name}: its format is unknown without an ending; pass -encode_type")
    size = max(0, flags.resize_height), max(0, flags.resize_width)
    try:
        pixels = datum_to_array(encoded_datum(data), color=not flags.gray)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if encoding and not any(size):
        own = os.path.splitext(name)[1][1:].lower()
        if own == encoding or (own == "jpeg" and encoding == "jpg"):
            return encoded_datum(data, label=label)
    if all(size):
        pixels = resize_pixels(pixels.transpose(1, 2, 0), size).transpose(2, 0, 1)
    if encoding:
        return encoded_datum(_encode(pixels, encoding), label=label)
    datum = array_to_datum(pixels, label)
    datum.encoded = False  # set, as Caffe's tool does, so that entries are the same byte for byte
    return datum


def _encode(pixels: NDArray[np.uint8], encoding: str) -> bytes:
    """Encode C x H x W pixels, BGR or grey, as an image file."""
    if encoding not in _FORMATS:
        raise InputError(f'-encode_type is "{encoding}"; expected {", ".join(_FORMATS)}.')
    mode = pixels[0] if len(pixels) == 1 else pixels[::-1].transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(mode.copy()).save(file, _FORMATS[encoding], quality=_JPEG_QUALITY)
    return file.getvalue()
