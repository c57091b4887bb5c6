"""Changed pixels of a PNG are an error wherever one is read, as with libpng."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError, datum_to_array, encoded_datum
from caffeformat.files import check_png_sums

# Not compressed, so that a byte more or less stays a picture
LABEL = np.arange(48, dtype=np.uint8).reshape(6, 8)


def png(change=False, sums=False):
    """The label as a PNG; with `change` another value at its end, with `sums` the sum of that."""
    file = io.BytesIO()
    Image.fromarray(LABEL).save(file, "PNG", compress_level=0)
    data = bytearray(file.getvalue())
    start = data.index(b"IDAT")
    size = int.from_bytes(data[start - 4 : start], "big")
    if change:
        data[start + 4 + size - 5] ^= 1  # before the sum of the compressed data
    if sums:
        data[start + 4 + size : start + 8 + size] = zlib.crc32(
            data[start : start + 4 + size]
        ).to_bytes(4, "big")
    return bytes(data)


def test_the_sums_of_the_pixels_are_checked():
    for data in (png(), png(change=True, sums=True), png()[:60], png()[:-20], b"GIF89a", b""):
        file = io.BytesIO(data)
        file.seek(len(data) // 2)
        check_png_sums(file)
        assert file.tell() == len(data) // 2
    with pytest.raises(ValueError, match="checksum"):
        check_png_sums(io.BytesIO(png(change=True)))


def by_datum(path):
    return datum_to_array(encoded_datum(path.read_bytes()))


def by_label(path):
    from fcnkit.images import read_label

    return read_label(path)


def by_bytes(path):
    from fcnkit.images import read_rgb

    return read_rgb(path.read_bytes(), name=path.name)


def by_script(path):
    pytest.importorskip("torch")
    from torchcaffe.io import load_image

    return load_image(path)


@pytest.mark.parametrize("read", [by_datum, by_label, by_bytes, by_script])
def test_changed_pixels_are_refused(tmp_path, read):
    path = tmp_path / "a.png"
    path.write_bytes(png())
    assert read(path).size in (48, 144)
    path.write_bytes(png(change=True))
    with pytest.raises(InputError, match="the checksum of its pixels is not theirs"):
        read(path)
