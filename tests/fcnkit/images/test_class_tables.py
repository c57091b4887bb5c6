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


def test_errors_of_json_name_no_line(tmp_path):
    path = tmp_path / "meta.json"
    listed = ", ".join(f'{{"title": "{name}", "color": "#101010"}}' for name in "ab")
    path.write_text(f'{{"classes": [{listed}]}}')
    with pytest.raises(FormatError, match=r"meta\.json: two classes have .* \(16, 16, 16\)"):
        read_colour_map(path)


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


def test_numbers_before_names_that_are_no_indices_belong_to_them(tmp_path):
    path = tmp_path / "coins.txt"
    path.write_text("1 euro 0 0 0\n2 euro 1 2 3\n")
    assert read_class_names(path) == ["1 euro", "2 euro"]


OTHER_FORMS = {
    "with semicolons": "name;r;g;b\nbackground;0;0;0\nleaf;9;8;7\nstem;1;2;3\n",
    "with tabs": "name\tr\tg\tb\nbackground\t0\t0\t0\nleaf\t9\t8\t7\nstem\t1\t2\t3\n",
    "as floats": "name,r,g,b\nbackground,0.0,0.0,0.0\nleaf,9.0,8.0,7.0\nstem,1.0,2.0,3.0\n",
    "one column": "class_name,class_color\nbackground,0 0 0\nleaf,9 8 7\nstem,1 2 3\n",
    "hexadecimal": "name,color\nbackground,#000000\nleaf,#090807\nstem,#010203\n",
    "in brackets": 'class,rgb\nbackground,"(0, 0, 0)"\nleaf,"[9, 8, 7]"\nstem,"1,2,3"\n',
    "by id": "id,name,r,g,b\n2,stem,1,2,3\n0,background,0,0,0\n1,leaf,9,8,7\n",
    "without a header": "background,0,0,0\nleaf,9,8,7\nstem,1,2,3\n",
    "names first": "background 0 0 0\nleaf 9 8 7\nstem 1 2 3\n",
    "indices, names, colours": "2 stem 1 2 3\n0 background 0 0 0\n1 leaf 9 8 7\n",
    "a label map without a header": "background:0,0,0::\nleaf:9,8,7:a,b:c\nstem:1,2,3::\n",
    "JSON": '{"classes": [{"title": "background", "color": "#000000"}, '
    '{"title": "leaf", "color": "#090807"}, {"title": "stem", "color": [1, 2, 3]}]}',
}


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_other_forms_of_tables(tmp_path, form):
    path = tmp_path / "table"
    path.write_text(OTHER_FORMS[form])
    assert read_class_names(path) == ["background", "leaf", "stem"]
    assert read_colour_map(path).tolist() == [[0, 0, 0], [9, 8, 7], [1, 2, 3]]


def test_pixel_values_come_in_their_own_order(tmp_path):
    path = tmp_path / "_classes.csv"
    path.write_text("Pixel Value, Class\n2, stem\n0, background\n1, leaf\n")
    assert read_class_names(path) == ["background", "leaf", "stem"]
    assert read_colour_map(path).tolist() == [[0, 0, 0], [1, 1, 1], [2, 2, 2]]


def test_colons_may_be_part_of_names(tmp_path):
    path = tmp_path / "labelmap.txt"
    path.write_text("# label:color_rgb:parts:actions\na:b:1,2,3::\nc:4,5,6:x:y\n")
    assert read_class_names(path) == ["a:b", "c"]


def test_ids_that_are_no_indices_are_refused_as_a_list_of_names(tmp_path):
    path = tmp_path / "classes.csv"
    path.write_text("id,name\n7,road\n8,sidewalk\n")
    with pytest.raises(FormatError, match="indices 7, 8, expected 0 to 1"):
        read_class_names(path)


def test_a_column_that_is_no_number_is_no_id(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,label\na1,dog\na2,cat\n")
    with pytest.raises(FormatError, match="header 'id,label'"):
        read_class_names(path)


@pytest.mark.parametrize(
    "header", ["class_name,class_color", "name,value", "Class, Pixel Value", "label,gray"]
)
def test_one_column_may_hold_values_of_grey_labels(tmp_path, header):
    path = tmp_path / "class_mapping.csv"
    path.write_text(f"{header}\nbackground,0\nstem,255\nleaf,127\n")
    assert read_colour_map(path).tolist() == [[0, 0, 0], [127, 127, 127], [255, 255, 255]]
    with pytest.raises(FormatError, match="pixel values 0, 127, 255, expected 0 to 2"):
        read_class_names(path)
    path.write_text(f"{header}\nbackground,0\nstem,2\nleaf,1\n")
    assert read_class_names(path) == ["background", "leaf", "stem"]
    path.write_text(f"{header}\nbackground,0\nstem,2\nleaf,1 2 3\n")
    with pytest.raises(FormatError, match="expected"):
        read_class_names(path)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_numbers_of_thousands_of_digits_are_errors_of_the_file(tmp_path, table):
    path, long = tmp_path / "table.csv", "1" * 5000
    for digit in "012789":
        path.write_text(table.replace(digit, long, 1))
        for read in (read_class_names, read_colour_map, read_palette):
            try:
                read(path)
            except InputError as error:
                assert "table.csv" in str(error)
