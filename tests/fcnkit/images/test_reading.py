import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError
from fcnkit.images import open_image, read_rgb


def png_with_header_size(width, height):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


def jpeg_with_header_size(width, height):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    data = bytearray(file.getvalue())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("make", [png_with_header_size, jpeg_with_header_size])
@pytest.mark.parametrize("size", [(50_000, 50_000), (9_000, 9_000)])
def test_absurd_sizes_are_refused_before_decoding(tmp_path, make, size):
    path = tmp_path / "huge"
    path.write_bytes(make(*size))
    with pytest.raises(
        InputError, match=r"huge.*header says .*expected at most 67108864 pixels: scale"
    ):
        open_image(path)


def test_an_image_with_a_sane_header_opens(tmp_path):
    path = tmp_path / "fine"
    path.write_bytes(png_with_header_size(80, 60))
    assert open_image(path).size == (80, 60)


@pytest.mark.parametrize(
    "content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF"]
)
def test_files_that_are_not_images_are_named(tmp_path, content):
    path = tmp_path / "thing.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"thing\.png"):
        read_rgb(path)
    with pytest.raises(InputError, match=r"absent\.png"):
        read_rgb(tmp_path / "absent.png")


def test_truncated_pixels_are_an_error_not_grey(tmp_path):
    file = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(file, "JPEG")
    path = tmp_path / "cut.jpg"
    path.write_bytes(file.getvalue()[:-400])
    with pytest.raises(InputError, match=r"cut\.jpg.*damaged"):
        read_rgb(path)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_usual_mode_becomes_rgb(tmp_path, mode):
    path = tmp_path / "image.tiff"
    Image.new("RGB", (5, 3), "white").convert(mode).save(path)
    pixels = read_rgb(path)
    assert pixels.shape == (3, 5, 3) and pixels.dtype == np.uint8
    assert (pixels == 255).all()


def test_16_bit_grey_keeps_its_upper_bits(tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray(np.array([[0, 0x1234, 0xFFFF]], np.uint16)).save(path)
    assert read_rgb(path)[0].tolist() == [[0] * 3, [0x12] * 3, [0xFF] * 3]
