"""Tables of classes as annotation tools write them: as class names and as colour maps."""

import pytest

from caffeformat import FormatError, InputError
from fcnkit.images import count_colours, read_class_names, read_colour_map, read_palette

TABLES = {
    "_classes.csv": "Pixel Value, Class\n0, background\n1, leaf\n2, stem",
    "class_dict.csv": "name,r,g,b\nbackground,0,0,0\nleaf,9,8,7\nstem,1,2,3\n",
    "quoted.csv": '"class", "red", "green", "blue"\n"background", 0, 0, 0\nleaf,9,8,7\n'
    '"stem", 1, 2, 3\n',
    "columns.csv": "r,g,b,name\n0,0,0,background\n9,8,7,leaf\n1,2,3,stem\n",
    "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\nleaf:9,8,7::\n"
    "stem:1,2,3::\n",
    "colors.txt": "neutral 224 224 192\nleaf 9 8 7\nstem 1 2 3\n",
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("as_name", ["same", "classes.txt"])
def test_every_table_gives_names_and_colours(tmp_path, name, as_name):
    path = tmp_path / (name if as_name == "same" else as_name)
    path.write_bytes(b"\xef\xbb\xbf" + TABLES[name].replace("\n", "\r\n").encode())
    assert read_class_names(path) == ["background", "leaf", "stem"]
    colours = read_colour_map(path)
    greys = [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
    assert colours[:3].tolist() == (
        greys if name == "_classes.csv" else [[0, 0, 0], [9, 8, 7], [1, 2, 3]]
    )
    assert count_colours(colours) == 3
    assert read_palette(path)[:3].tolist() == colours[:3].tolist()


def test_the_order_of_a_label_map_is_that_of_its_lines(tmp_path):
    path = tmp_path / "labelmap.txt"
    path.write_text("# label:color_rgb:parts:actions\ncat:5,5,5:head:run\nbackground:0,0,0::\n")
    assert read_class_names(path) == ["cat", "background"]
    assert read_colour_map(path).tolist() == [[5, 5, 5], [0, 0, 0]]


def test_a_class_to_ignore_is_no_class_but_a_colour_of_255(tmp_path):
    path = tmp_path / "class_dict.csv"
    path.write_text("name,r,g,b\nsky,1,1,1\n__ignore__,7,7,7\nroad,2,2,2\n")
    assert read_class_names(path) == ["sky", "road"]
    colours = read_colour_map(path)
    assert colours.shape == (256, 3) and count_colours(colours) == 2
    assert colours[[0, 1, 255]].tolist() == [[1, 1, 1], [2, 2, 2], [7, 7, 7]]
    # Rows without a class must not make a class of a colour that the table does not list.
    assert (colours[2:255] == 1).all()


def test_pixel_values_that_are_not_indices_are_a_colour_map_only(tmp_path):
    path = tmp_path / "_classes.csv"
    path.write_text("Pixel Value, Class\n0, background\n255, leaf\n")
    assert read_colour_map(path).tolist() == [[0, 0, 0], [255, 255, 255]]
    with pytest.raises(FormatError, match="pixel values 0, 255, expected 0 to 1"):
        read_class_names(path)


@pytest.mark.parametrize(
    "text, line",
    [
        ("name,r,g,b\nsky,1,1\n", 2),
        ("name,r,g,b\nsky,1,1,256\n", 2),
        ("name,r,g,b\nsky,1,1,1\nroad,1,1,1\n", 3),
        ("# label:color_rgb:parts:actions\nsky\n", 2),
        ("# label:color_rgb:parts:actions\nsky:::\nroad:1,1,1::\n", 2),
        ("Pixel Value, Class\n0, a, b\n", 2),
        ("neutral 1 1 1\nsky 1 1\n", 2),
        ("name,r,g,b\n", None),
    ],
)
def test_damaged_tables_name_the_line(tmp_path, text, line):
    path = tmp_path / "table"
    path.write_text(text)
    for read in (read_class_names, read_colour_map):
        with pytest.raises(FormatError) as error:
            read(path)
        assert error.value.line == line


def test_only_regular_files_are_read(tmp_path):
    for read in (read_class_names, read_colour_map):
        with pytest.raises(InputError, match="is a folder; expected a file"):
            read(tmp_path)


def test_a_table_without_colours_has_names_only(tmp_path):
    path = tmp_path / "labelmap.txt"
    path.write_text("# label:color_rgb:parts:actions\nsky:::\nroad:::\n")
    assert read_class_names(path) == ["sky", "road"]
    with pytest.raises(FormatError, match="without colours"):
        read_colour_map(path)


def test_colours_before_names_are_a_table_if_no_two_are_alike(tmp_path):
    path = tmp_path / "label_colors.txt"
    path.write_text("# colours\n0 0 0 _\n1 2 3 two words\n9 9 9 ignore\n")
    assert read_class_names(path) == ["_", "two words"]
    assert read_colour_map(path)[[0, 1, 255]].tolist() == [[0, 0, 0], [1, 2, 3], [9, 9, 9]]
    path.write_text("0 0 0 a\n0 0 0 b\n")
    assert read_colour_map(path).tolist() == [[0, 0, 0]] * 2
