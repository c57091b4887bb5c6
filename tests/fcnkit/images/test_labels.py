import io
import struct

import numpy as np
import pytest
from low_bit_png import low_bit_png
from PIL import Image

from caffeformat import InputError
from fcnkit.images import (
    open_image,
    pages_of,
    read_colour_map,
    read_label,
    voc_palette,
    write_label,
)
from fcnkit.images.labels import colours_to_indices

INDICES = np.array([[0, 1, 20, 255], [255, 20, 2, 0]], np.uint8)


def test_written_label_keeps_indices_and_palette(tmp_path):
    path = tmp_path / "label.png"
    write_label(path, INDICES, voc_palette())
    assert np.array_equal(read_label(path), INDICES)
    with Image.open(path) as image:
        assert image.mode == "P"
        assert image.getpalette() == voc_palette().reshape(-1).tolist()


def test_grey_values_are_indices(tmp_path):
    Image.fromarray(INDICES).save(tmp_path / "grey.png")
    assert np.array_equal(read_label(tmp_path / "grey.png"), INDICES)


@pytest.mark.parametrize("alpha", [False, True])
def test_rgb_labels_go_through_the_colour_map(tmp_path, alpha):
    rgb = Image.fromarray(voc_palette()[INDICES])
    (rgb.convert("RGBA") if alpha else rgb).save(tmp_path / "rgb.png")
    assert np.array_equal(read_label(tmp_path / "rgb.png", voc_palette()), INDICES)
    # A map of 21 colours does not contain VOC's ignore colour, which is ignored nevertheless.
    assert np.array_equal(read_label(tmp_path / "rgb.png", voc_palette()[:21]), INDICES)
    with pytest.raises(InputError, match="colour map"):
        read_label(tmp_path / "rgb.png")


def test_paletted_label_with_other_colours_is_looked_up_by_colour(tmp_path):
    shuffled = voc_palette().copy()
    shuffled[[1, 2]] = shuffled[[2, 1]]
    write_label(tmp_path / "label.png", np.array([[0, 1, 2]], np.uint8), shuffled)
    assert read_label(tmp_path / "label.png").tolist() == [[0, 1, 2]]
    assert read_label(tmp_path / "label.png", voc_palette()).tolist() == [[0, 2, 1]]


def test_unknown_colour_is_named_with_its_position():
    rgb = voc_palette()[INDICES].copy()
    rgb[1, 2] = (9, 8, 7)
    with pytest.raises(InputError, match=r"\(9, 8, 7\) at x=2, y=1"):
        colours_to_indices(rgb, voc_palette())


def test_first_of_equal_colours_counts():
    colours = [[1, 1, 1], [5, 5, 5], [5, 5, 5]]
    assert colours_to_indices(np.full((1, 2, 3), 5, np.uint8), colours).tolist() == [[1, 1]]


def test_values_above_255_are_refused(tmp_path):
    Image.fromarray(np.array([[0, 300]], np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(InputError, match=r"found 300 at x=1, y=0"):
        read_label(tmp_path / "deep.png")
    Image.fromarray(np.array([[0, 7]], np.uint16)).save(tmp_path / "deep.png")
    assert read_label(tmp_path / "deep.png").tolist() == [[0, 7]]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_samples_of_few_bits_are_indices(bits):
    indices = [[0, 1, 1, 0, 1], [1, 2**bits - 1, 0, 0, 2**bits - 2]]
    assert read_label(low_bit_png(indices, bits)).tolist() == indices


@pytest.mark.parametrize("maximum", [1, 2, 20, 255, 300])
def test_samples_of_a_pgm_are_indices(maximum):
    values = [0, 1, min(maximum, 255)]
    data = np.array(values, ">u2" if maximum > 255 else "u1").tobytes()
    assert read_label(b"P5 3 1 %d\n" % maximum + data).tolist() == [values]


@pytest.mark.parametrize("kind", ["grey", "paletted", "one bit", "two bits", "rgb", "16 bits"])
def test_a_colour_map_holds_for_labels_of_every_kind(tmp_path, kind):
    classes = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
    white = Image.fromarray(classes * 255)
    path = tmp_path / "mask.png"
    if kind == "two bits":
        path.write_bytes(low_bit_png((classes * 3).tolist(), 2))
    elif kind == "16 bits":
        Image.fromarray(classes * np.uint16(65535)).save(path)
    elif kind == "paletted":
        write_label(path, classes * 7, np.repeat(np.arange(256) * 255 // 7 % 256, 3).reshape(-1, 3))
    else:
        white.convert({"grey": "L", "one bit": "1", "rgb": "RGB"}[kind]).save(path)
    (tmp_path / "map.txt").write_text("0 0 0\n255 255 255\n")
    for name in ("binary", tmp_path / "map.txt"):
        assert np.array_equal(read_label(path, read_colour_map(name)), classes)
    assert np.array_equal(read_label(path, read_colour_map("binary")[::-1]), 1 - classes)


def test_a_grey_value_that_the_colour_map_lacks_is_named(tmp_path):
    Image.fromarray(np.array([[0, 255], [7, 9]], np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(InputError, match=r"value 7 at x=0, y=1 and 1 more .*pass no colour map"):
        read_label(tmp_path / "mask.png", read_colour_map("binary"))


def test_a_colour_map_names_the_colour_to_ignore(tmp_path):
    (tmp_path / "map.txt").write_text("0 0 0\n255 255 255 ignore\n128 0 0 cat\n")
    colours = read_colour_map(tmp_path / "map.txt")
    rgb = np.array([[[0, 0, 0], [255, 255, 255], [128, 0, 0], [224, 224, 192]]], np.uint8)
    Image.fromarray(rgb[:, :3]).save(tmp_path / "mask.png")
    assert read_label(tmp_path / "mask.png", colours).tolist() == [[0, 255, 1]]


def test_a_short_colour_map_makes_no_class_of_black(tmp_path):
    (tmp_path / "map.txt").write_text("255 0 0\n0 255 0\n")
    Image.new("RGB", (2, 2)).save(tmp_path / "mask.png")
    with pytest.raises(InputError, match=r"\(0, 0, 0\) at x=0, y=0"):
        read_label(tmp_path / "mask.png", read_colour_map(tmp_path / "map.txt"))


@pytest.mark.parametrize("kind", ["tif", "gif"])
def test_labels_of_several_pages_are_refused_by_name(tmp_path, kind):
    pages = [Image.fromarray(np.full((3, 4), i, np.uint8)) for i in range(3)]
    path = tmp_path / f"stack.{kind}"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match=rf"stack\.{kind}: holds 3 pages, expected one label"):
        read_label(path)


def test_transparent_labels_are_refused_and_opaque_ones_read(tmp_path):
    grey = Image.fromarray(np.array([[0, 1]], np.uint8))
    opaque = Image.new("L", grey.size, 255)
    Image.merge("LA", [grey, opaque]).save(tmp_path / "grey.png")
    assert read_label(tmp_path / "grey.png").tolist() == [[0, 1]]
    for mode, bands in (("LA", [grey]), ("RGBA", [grey] * 3)):
        Image.merge(mode, [*bands, grey]).save(tmp_path / "clear.png")
        with pytest.raises(InputError, match=r"clear\.png: some pixels are transparent"):
            read_label(tmp_path / "clear.png", read_colour_map("binary"))


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_wide_samples_are_indices_where_they_are_whole_numbers(tmp_path, kind):
    Image.fromarray(np.array([[0, 2, 255]], kind)).save(tmp_path / "wide.tif")
    assert read_label(tmp_path / "wide.tif").tolist() == [[0, 2, 255]]
    Image.fromarray(np.array([[0, 2.5 if kind == np.float32 else -1]], kind)).save(
        tmp_path / "wide.tif"
    )
    with pytest.raises(InputError, match=r"wide\.tif: expected class indices"):
        read_label(tmp_path / "wide.tif")


def test_labels_are_read_as_stored_whatever_their_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(INDICES).save(tmp_path / "label.png", exif=exif)
    assert np.array_equal(read_label(tmp_path / "label.png"), INDICES)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16, np.float32, bool])
def test_arrays_hold_indices(tmp_path, dtype):
    indices = np.array([[0, 1, 1], [1, 0, 0]])
    np.save(tmp_path / "label.npy", indices.astype(dtype))
    np.savez(tmp_path / "label.npz", indices.astype(dtype))
    for kind in ("npy", "npz"):
        assert np.array_equal(read_label(tmp_path / f"label.{kind}"), indices)
    np.save(tmp_path / "label.npy", indices * 300)
    with pytest.raises(InputError, match=r"label\.npy: expected class indices 0..255"):
        read_label(tmp_path / "label.npy")
    np.save(tmp_path / "label.npy", np.zeros((2, 3, 4), dtype))
    with pytest.raises(InputError, match=r"label\.npy: holds 4 channels"):
        read_label(tmp_path / "label.npy")


def _looping(order, pages, back_to):
    """A grey TIFF of 3 x 2 pixels per page; the last page's link leads back to `back_to`."""
    size = 2 + 12 * 9 + 4
    starts = [8 + page * size for page in range(pages)]
    data = 8 + pages * size
    file = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, starts[0])
    for page in range(pages):
        tags = [(256, 3, 3), (257, 3, 2), (258, 3, 8), (259, 3, 1), (262, 3, 1), (277, 3, 1)]
        tags += [(278, 3, 2), (273, 4, data + 6 * page), (279, 4, 6)]
        file += struct.pack(f"{order}H", len(tags))
        for tag, kind, value in sorted(tags):
            file += struct.pack(f"{order}HHI", tag, kind, 1)
            short = struct.pack(f"{order}HH", value, 0)
            file += short if kind == 3 else struct.pack(f"{order}I", value)
        after = starts[page + 1] if page + 1 < pages else starts[back_to]
        file += struct.pack(f"{order}I", after)
    return file + bytes(range(6)) * pages


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_list_of_pages_that_is_a_loop_ends(order):
    assert read_label(_looping(order, 1, 0)).tolist() == [[0, 1, 2], [3, 4, 5]]
    for back_to in (0, 1):
        with pytest.raises(InputError, match="holds 3 pages, expected one label"):
            read_label(_looping(order, 3, back_to))
        with open_image(_looping(order, 3, back_to)) as image:
            assert pages_of(image) == 3


@pytest.mark.parametrize("after", [0x7FFFFFFF, 130, 5])
def test_a_list_of_pages_that_ends_in_the_middle_is_refused(after):
    file = _looping("<", 1, 0)
    file = file[:118] + struct.pack("<I", after) + file[122:]
    with pytest.raises(InputError, match="has a damaged list of pages"):
        read_label(file)


def _with_mark(mark):
    """A TIFF of one page whose first four bytes are `mark`."""
    return mark + _looping("<" if mark.startswith(b"II") else ">", 1, 0)[4:]


@pytest.mark.parametrize("mark", [b"MM*\0", b"II\0*"])
def test_a_mark_with_its_bytes_in_the_other_order_is_no_obstacle(mark):
    """Pillow reads such files."""
    assert read_label(_with_mark(mark)).tolist() == [[0, 1, 2], [3, 4, 5]]


def _big(after, more=b""):
    """A BigTIFF of 3 x 2 pixels whose list of pages goes on at `after`; `more` is behind it."""
    tags = [(256, 3), (257, 2), (258, 8), (259, 1), (262, 1), (273, 212), (277, 1), (278, 2)]
    file = struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, len(tags) + 1)
    for tag, value in [*tags, (279, 6)]:
        file += struct.pack("<HHQQ", tag, 4, 1, value)
    return file + struct.pack("<Q", after) + bytes(range(6)) + more


@pytest.mark.parametrize(
    ("after", "more"),
    [(2**50, b""), (2**62, b""), (2**63, b""), (2**64 - 1, b""), (218, struct.pack("<Q", 2**58))],
)
def test_a_list_of_pages_that_goes_on_where_no_file_reaches_is_refused(tmp_path, after, more):
    try:
        Image.open(io.BytesIO(_big(0))).close()
    except OSError:
        pytest.skip("this Pillow reads no BigTIFF")
    (tmp_path / "label.tif").write_bytes(_big(0))
    assert read_label(tmp_path / "label.tif").tolist() == [[0, 1, 2], [3, 4, 5]]
    (tmp_path / "label.tif").write_bytes(_big(after, more))
    with pytest.raises(InputError, match=r"label\.tif: has a damaged list of pages"):
        read_label(tmp_path / "label.tif")


def test_a_list_of_very_many_pages_is_not_followed_to_its_end():
    first = bytearray(_looping("<", 1, 0))
    first[118:122] = struct.pack("<I", len(first))
    count = 100000
    places = (len(first) + 6 * page for page in range(1, count))
    file = bytes(first) + b"".join(struct.pack("<HI", 0, place) for place in places) + bytes(6)
    with open_image(file) as image:
        assert 1 < pages_of(image) < count


def test_indices_past_the_palette_of_a_bmp_have_no_colour():
    """Pillow before 9.1 gives them shades of grey; a BMP has four bytes for each colour."""
    colours = [[9, 0, 0], [0, 9, 0], [0, 0, 9], [3, 3, 3]]
    entries = b"".join(bytes([blue, green, red, 0]) for red, green, blue in colours[:3])
    start = 54 + len(entries)
    header = struct.pack("<2sIII", b"BM", start + 4, 0, start)
    header += struct.pack("<IiiHHIIiiII", 40, 4, 1, 1, 8, 0, 4, 0, 0, 3, 0)
    assert read_label(header + entries + bytes([2, 1, 0, 0]), colours).tolist() == [[2, 1, 0, 0]]
    with pytest.raises(InputError, match="index 3 at x=1, y=0 is past its palette of 3"):
        read_label(header + entries + bytes([2, 3, 0, 0]), colours)
