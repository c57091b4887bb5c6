"""Images of any number of channels, of 8, 16 and 32 bits, from PNG, TIFF and NumPy files."""

import contextlib
import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from caffeformat import InputError
from fcnkit.images import ImageForm, open_picture, read_image, read_rgb


def values(shape, dtype, seed=0):
    random = np.random.RandomState(seed)
    if dtype == np.float32:
        return random.standard_normal(shape).astype(np.float32)
    return random.randint(0, np.iinfo(dtype).max, shape).astype(dtype)


def png16(array, exif=None):
    """A PNG of 16 bits per channel: H x W x 1, 2, 3 or 4; every second row is filtered by `Sub`."""
    height, width, count = array.shape
    step, rows = 2 * count, []
    for number, row in enumerate(array):
        data = np.frombuffer(row.astype(">u2").tobytes(), np.uint8)
        if number % 2:
            before = np.concatenate([np.zeros(step, np.uint8), data[:-step]])
            rows.append(b"\1" + (data - before).tobytes())
        else:
            rows.append(b"\0" + data.tobytes())
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[count]
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))]
    chunks += [(b"eXIf", exif)] if exif else []
    chunks += [(b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def tiff(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_png_of_16_bits_keeps_every_bit(tmp_path, count):
    array = values((6, 7, count), np.uint16)
    path = tmp_path / "deep.png"
    path.write_bytes(png16(array))
    with open_picture(path) as picture:
        assert picture.size == (7, 6) and picture.depth == "uint16"
        assert picture.channels == {1: 1, 2: 1, 3: 3, 4: 3}[count]
        assert np.array_equal(picture.pixels(), array)
    assert np.array_equal(read_image(path, form=ImageForm(count)), array)
    assert np.array_equal(read_image(path.read_bytes()), array[..., : picture.channels])


def test_png_of_16_bits_is_turned_as_shown(tmp_path):
    array = values((6, 7, 3), np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = png16(array, exif.tobytes()[6:])
    assert open_picture(data).size == (6, 7)
    assert np.array_equal(read_image(data), np.rot90(array, -1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("count", [1, 2, 4, 5, 10])
@pytest.mark.parametrize(
    "options",
    [
        {"planarconfig": "contig"},
        {"planarconfig": "separate"},
        {"planarconfig": "contig", "compression": "zlib", "tile": (16, 16)},
        {"planarconfig": "contig", "byteorder": ">"},
    ],
)
def test_tiffs_of_any_bands_and_bits_are_read_whole(dtype, count, options):
    array = values((40, 30, count), dtype)
    given = array[..., 0] if count == 1 else array
    if options["planarconfig"] == "separate":
        given = given if count == 1 else array.transpose(2, 0, 1)
    options = {} if count == 1 else options
    data = tiff(given, photometric="minisblack", **options)
    found = open_picture(data)
    assert (found.size, found.channels, found.depth) == ((30, 40), count, np.dtype(dtype).name)
    assert np.array_equal(read_image(data), array)


def test_tiff_of_16_bit_colour_and_of_integers():
    array = values((5, 6, 3), np.uint16)
    assert np.array_equal(read_image(tiff(array, photometric="rgb")), array)
    whole = np.array([[0, -7, 1 << 24]], np.int32)
    assert read_image(tiff(whole))[..., 0].tolist() == whole.tolist()
    with pytest.raises(InputError, match="float32 would round"):
        read_image(tiff(whole + 1), "deep.tif")


def test_a_fourth_band_of_a_tiff_is_one_whatever_it_is_called(tmp_path):
    array = values((5, 6, 4), np.uint8)
    Image.fromarray(array, "RGBA").save(tmp_path / "bands.tif")
    found = open_picture(tmp_path / "bands.tif")
    assert found.channels == 4 and found.has_alpha
    assert np.array_equal(read_image(tmp_path / "bands.tif"), array)
    assert np.array_equal(read_rgb(tmp_path / "bands.tif"), array[..., :3])


def test_tiff_pages_are_bands_only_if_they_say_so(tmp_path):
    array = values((10, 5, 6), np.uint16)
    stack = tiff(array, photometric="minisblack")
    with pytest.raises(InputError, match=r"x\.tif: holds 10 pages, expected one image"):
        read_image(stack, "x.tif")
    bands = tiff(array, imagej=True, metadata={"axes": "CYX"})
    assert np.array_equal(read_image(bands), array.transpose(1, 2, 0))


def test_smaller_copies_in_a_tiff_do_not_count():
    file, array = io.BytesIO(), values((32, 32, 5), np.uint16)
    with tifffile.TiffWriter(file) as writer:
        writer.write(array, photometric="minisblack", planarconfig="contig")
        writer.write(
            array[::2, ::2], photometric="minisblack", planarconfig="contig", subfiletype=1
        )
    assert np.array_equal(read_image(file.getvalue()), array)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiffs_are_turned_as_shown(orientation):
    array = values((4, 6, 5), np.uint16)
    data = tiff(
        array,
        photometric="minisblack",
        planarconfig="contig",
        extratags=[(274, "H", 1, orientation)],
    )
    turns = {
        1: array,
        2: array[:, ::-1],
        3: array[::-1, ::-1],
        4: array[::-1],
        5: array.swapaxes(0, 1),
        6: np.rot90(array, -1),
        7: array[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(array),
    }
    expected = turns[orientation]
    assert open_picture(data).size == expected.shape[1::-1]
    assert np.array_equal(read_image(data), expected)


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [
        ("u1", "uint8"),
        ("<u2", "uint16"),
        (">u2", "uint16"),
        ("f4", "float32"),
        ("f8", "float32"),
        ("f2", "float32"),
        ("i4", "float32"),
    ],
)
def test_arrays_are_images_of_height_width_channels(tmp_path, dtype, kept):
    array = np.arange(60).reshape(3, 4, 5).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", array)
    np.savez_compressed(tmp_path / "b.npz", image=array[..., 0])
    for path in (tmp_path / "a.npy", tmp_path / "a.npz"):
        found = open_picture(path)
        assert (found.size, found.channels, found.depth) == ((4, 3), 5, kept)
        image = read_image(path)
        assert image.dtype.name == kept and np.array_equal(image, array)
    assert read_image(tmp_path / "b.npz").shape == (3, 4, 1)


def test_an_array_whose_channels_come_first_is_told(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((5, 3, 4), np.uint8))
    with pytest.raises(InputError, match=r"4 channels, expected 5: .* save it as height x width x"):
        read_image(tmp_path / "a.npy", form=ImageForm(5))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy(np.zeros((2, 3, 4, 5))), r"x: holds an array of shape \(2, 3, 4, 5\), expected"),
        (npy(np.zeros((2, 3), complex)), "x: holds values of type complex128"),
        (npy(np.array([[1.0, np.nan]])), "x: holds values that are not finite"),
        (npy(np.zeros((2, 3, 2000))), "x: would have 2000 channels.*height x width x channels"),
        (npy(np.array([["a"]], object)), "x: holds values of type object"),
        (npy(np.zeros((2, 3)))[:-8], "x: cannot be read as a NumPy array"),
        (b"\x93NUMPY", "x: cannot be read as a NumPy array"),
        (b"\x93NUMPY\1\0\4\0{ (\n", "x: cannot be read as a NumPy array"),
        (b"PK\3\4 nothing", "x: cannot be read as a NumPy array"),
        pytest.param(
            b"II*\0 nothing at all",
            "x: cannot be read as a TIFF",
            marks=pytest.mark.filterwarnings("ignore:Corrupt EXIF"),
        ),
        (tiff(np.zeros((8, 8, 5), np.uint16), photometric="minisblack")[:-300], "x: "),
    ],
)
def test_what_cannot_be_an_image_is_named(content, message):
    with pytest.raises(InputError, match=message):
        read_image(content, "x")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_damaged_second_page_is_our_error_or_none():
    data = bytearray(tiff(np.zeros((8, 8), np.uint8)))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        entries = len(file.pages[0].tags)
    struct.pack_into("<I", data, 8 + 2 + 12 * entries, len(data))
    for page in (struct.pack("<HHHIII", 1, 258, 3, 1, 8, 0), b"\1"):
        with contextlib.suppress(InputError):
            assert open_picture(bytes(data) + page, "x").size == (8, 8)


def test_absurd_arrays_are_refused_by_their_header(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (100_000, 100_000, 3)}
    )
    with pytest.raises(InputError, match="refused: its header says 100000 x 100000"):
        open_picture(header.getvalue(), "x")


def test_a_part_of_a_tiff_that_inflates_too_far_is_refused():
    data = bytearray(tiff(np.zeros((16, 16, 5), np.uint16), photometric="minisblack",
                          planarconfig="contig", compression="zlib"))  # fmt: skip
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        page = file.pages[0]
        offset, count = page.tags[273].valueoffset, page.tags[279].valueoffset
    bomb = zlib.compress(bytes(1 << 24), 1)
    struct.pack_into("<I", data, offset, len(data))
    struct.pack_into("<I", data, count, len(bomb))
    with pytest.raises(InputError, match="x: refused, a part of it inflates"):
        open_picture(bytes(data) + bomb, "x")


def test_several_pictures_are_not_one(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for suffix in ("gif", "webp", "png"):
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
        with pytest.raises(InputError, match=rf"a\.{suffix}: holds several pictures"):
            read_image(tmp_path / f"a.{suffix}")


def test_nothing_is_said_about_files_of_many_bands(tmp_path):
    (tmp_path / "bands.tif").write_bytes(
        tiff(values((8, 8, 10), np.uint16), photometric="minisblack", planarconfig="contig")
    )
    script = f"from fcnkit.images import read_image; read_image({str(tmp_path / 'bands.tif')!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
