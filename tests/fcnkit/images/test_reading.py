import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError
from fcnkit.images import load_pixels, open_image, read_rgb, shown_size


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


def test_errors_name_no_objects_of_python(tmp_path):
    (tmp_path / "thing.png").write_bytes(b"nothing")
    for source in (b"nothing", tmp_path / "thing.png"):
        with pytest.raises(
            InputError, match="cannot be read as an image: cannot identify"
        ) as error:
            open_image(source, "thing")
        assert "<" not in str(error.value) and "BytesIO" not in str(error.value)


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


def test_more_than_8_bits_are_never_cut_off(tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray(np.array([[0, 0x1234, 0xFFFF]], np.uint16)).save(path)
    with pytest.raises(InputError, match=r"deep\.png: holds 16 bits .*0 to 65535.*pass white"):
        read_rgb(path)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
@pytest.mark.parametrize("orientation", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_images_are_read_as_viewers_show_them(tmp_path, kind, orientation):
    shown = Image.fromarray(np.kron([[255, 0, 0], [0, 0, 0]], np.ones((8, 8))).astype(np.uint8))
    # What has to be done to what is shown, so that the orientation undoes it.
    undo = {
        2: [Image.FLIP_LEFT_RIGHT],
        3: [Image.ROTATE_180],
        4: [Image.FLIP_TOP_BOTTOM],
        5: [Image.ROTATE_270, Image.FLIP_LEFT_RIGHT],
        6: [Image.ROTATE_90],
        7: [Image.ROTATE_90, Image.FLIP_LEFT_RIGHT],
        8: [Image.ROTATE_270],
    }
    stored = shown.convert("RGB")
    for turn in undo.get(orientation, ()):
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{kind}"
    stored.save(path, exif=exif, quality=95)
    pixels = read_rgb(path)
    assert pixels.shape == (16, 24, 3)
    assert np.abs(pixels[..., 0].astype(int) - np.asarray(shown)).max() < 60
    with open_image(path) as image:
        assert shown_size(image) == (24, 16)
        assert load_pixels(image, "photo").size == stored.size


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_leaves_an_image_as_stored(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (16, 8)).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_rgb(path).shape == (8, 16, 3)
