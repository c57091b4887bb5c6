import pytest

from caffeformat import FormatError, InputError
from fcnkit.images import class_names_text, read_class_names, voc_class_names


def test_voc_has_21_classes_from_background_to_tvmonitor():
    names = voc_class_names()
    assert len(names) == 21
    assert (names[0], names[15], names[20]) == ("background", "person", "tvmonitor")


def test_the_name_voc_needs_no_file():
    assert read_class_names("voc") == voc_class_names()


def test_names_are_stripped_and_trailing_lines_ignored(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_bytes("\ufeffsky \r\n traffic light\r\n\r\n".encode())
    assert read_class_names(path) == ["sky", "traffic light"]


@pytest.mark.parametrize(
    "text, line",
    [("\na\nb\n", None), ("a\nb\na\n", 3), ("", None), ("\n".join(map(str, range(256))), None)],
)
def test_bad_lists_name_the_line(tmp_path, text, line):
    path = tmp_path / "classes.txt"
    path.write_text(text)
    with pytest.raises(FormatError) as error:
        read_class_names(path)
    assert error.value.line == line


def test_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.txt"):
        read_class_names(tmp_path / "nothing.txt")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(InputError, match=r"b\.txt.*UTF-8"):
        read_class_names(tmp_path / "b.txt")


def test_a_list_ends_at_its_first_blank_line(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("background\ncat\n\nThe classes of the example.\nSee the paper.\n")
    assert read_class_names(path) == ["background", "cat"]


def test_labelmes_ignored_first_line_is_not_a_class(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("__ignore__\n_background_\ncat\n")
    assert read_class_names(path) == ["_background_", "cat"]
    path.write_text("_background_\n__ignore__\ncat\n")
    with pytest.raises(FormatError, match="first line only") as error:
        read_class_names(path)
    assert error.value.line == 2


@pytest.mark.parametrize(
    "text, words",
    [
        ("name\nbackground\ncat\n", "header 'name'"),
        ("class,score\nbackground,1\ncat,2\n", "header 'class,score'"),
        ("background,cat,dog\n", "commas"),
        ("background\tcat\n", "tabs"),
        ("0 0 0\n128 0 0\n", "colour map"),
        ("0.0 0.0 0.0\n0.5 0 0\n", "colour map"),
        ("0 0 0 0\n1 128 0 0\n", "colour map"),
        ("0: 0 0 0\n1: 128 0 0\n", "colour map"),
        ("1: 128 0 0\n2: 0 0 1\n", "colour map"),
        ("1 wall\n2 road\n", "indices 1, 2, expected 0 to 1"),
        ("Idx\tRatio\tName\n1\t0.5\twall\n2\t0.1\troad\n", "indices 1, 2, expected 0 to 1"),
        ('{"1": "wall", "2": "road"}', "indices 1, 2, expected 0 to 1"),
        ('{"categories": [{"id": 7, "name": "road"}]}', "indices 7, expected 0 to 0"),
        ('{"width": 5, "height": "?"}', "expected class names as JSON"),
        ("names: {0: wall, 2: road}\n", "`names` of a YAML file"),
        ('["background", "cat"', "is not JSON"),
        ("<classes>\n", "one class name per line"),
        ("# my classes\nbackground\ncat\n", "found the comment '# my classes': remove it"),
        ("#804080 road\n#000000 void\n", "found the comment '#804080 road'"),
        ("background=1\ncat=2\n", "indices 1, 2, expected 0 to 1"),
        ("Bus: 7\nTram: 11\n", "if the numbers are parts of the names, begin with `0 Bus: 7`"),
        ("' '\n' '\n", "already on line 1"),
        ("['background', 'cat']", r"is not JSON .*: write the names to a text file"),
        ('item {\n  id: 1\n  name: "cat"\n}\n', "TensorFlow's label map"),
        ("\0\1\2", "found '.x00"),
        pytest.param(f"name,r,g,b\nroad,{'1' * 200_000},2,3\n", "'road,1+\\.\\.\\.", id="long"),
    ],
)
def test_what_cannot_be_a_list_of_names_is_refused(tmp_path, text, words):
    path = tmp_path / "names.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=words):
        read_class_names(path)


@pytest.mark.parametrize(
    "text",
    [
        "0 background\n1 cat\n2 traffic light\n",
        "0: background\n1: cat\n2: traffic light\n",
        "0,background\n1,cat\n2,traffic light\n",
        "2\ttraffic light\n0\tbackground\n1\tcat\n",
        "id,name\n2,traffic light\n0,background\n1,cat\n",
        "index;label;note\n0;background;x\n1;cat;y\n2;traffic light;\n",
        '["background", "cat", "traffic light"]',
        '{"0": "background", "2": "traffic light", "1": "cat"}',
        '{"cat": 1, "background": 0, "traffic light": 2, "void": 255}',
        '{"model": "x", "id2label": {"0": "background", "1": "cat", "2": "traffic light"}}',
        '{"labels": {"background": 0, "cat": 1, "traffic light": 2}, "file_ending": ".png"}',
        '{"categories": [{"id": 1, "name": "cat"}, {"id": 0, "name": "background"},'
        '{"id": 2, "name": "traffic light"}], "images": []}',
        '{"classes": [{"title": "background"}, {"title": "cat"}, {"title": "traffic light"}]}',
        "path: x\ntrain: images\nnames:\n  0: background\n  1: cat\n  2: traffic light\n",
        "nc: 3\nnames: ['background', \"cat\",\n  traffic light]\n",
        "names:\n- background\n- cat  # the animal\n- traffic light\nnc: 3\n",
        "names:\n  '0': background\n  \"1\": cat\n  '2': traffic light\n",
        "background 0\ntraffic light 2\ncat 1\n",
        "background=0\ntraffic light = 2\ncat=1\n",
        "background,0\ncat,1\ntraffic light,2\n",
        "- background\n- cat\n- traffic light\n",
        "'background'\n'cat'\n'traffic light'\n",
        '"background"\n"cat"\n"traffic light"\n',
    ],
)
def test_lists_with_indices_and_those_of_other_tools(tmp_path, text):
    path = tmp_path / "classes"
    path.write_text(text)
    assert read_class_names(path) == ["background", "cat", "traffic light"]


@pytest.mark.parametrize(
    "text",
    [
        "3d\n2d\n",
        "1 wall\nroad\n",
        "7 up\n",
        "1 a\n1 b\n",
        "0.5 mm\n1.2 mm\n",
        "zone 0\nzone 1\n",
        "Boeing 737\nAirbus 320\n",
        "'a'\n' '\n'b'\n",
    ],
)
def test_digits_may_be_part_of_names(tmp_path, text):
    path = tmp_path / "classes.txt"
    path.write_text(text)
    assert read_class_names(path) == text.split("\n")[:-1]


def test_names_that_are_written_are_read_as_they_were(tmp_path):
    path = tmp_path / "classes.txt"
    for names in (
        ["background", "bus, truck"],
        [f"class {i}" for i in range(30)],
        ["one", "ignore"],
        ["1 euro", "2 euro"],
        ["1 b", "0 a"],
        ["b 1", "a 0"],
        ["#1", "#2"],
        ["- a", "- b"],
        ["name", "a"],
        ["a, b", "c, d"],
        ["names: a", "b"],
    ):
        path.write_text(class_names_text(names))
        assert read_class_names(path) == names
    for names, words in (
        (["a", "b\nc"], r"class 1 is called 'b\\nc'"),
        (["a", ""], "class 1 is called ''"),
        (["a", "b", "a"], "'a' is already on line 1"),
        (["name"], "header 'name'"),
        (["a:1,2,3::"], "look like a table"),
        (["__ignore__", "a"], "look like a table"),
    ):
        with pytest.raises(InputError, match=words):
            class_names_text(names)


def test_a_comma_in_one_name_is_part_of_it(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("sky\nbus, truck or van\n")
    assert read_class_names(path) == ["sky", "bus, truck or van"]


def test_numbers_that_are_no_indices_may_be_kept(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("1 euro\n2 euro\n")
    with pytest.raises(FormatError, match="parts of the names, begin with `0 1 euro`, `1 2 euro`"):
        read_class_names(path)
    path.write_text("0 1 euro\n1 2 euro\n")
    assert read_class_names(path) == ["1 euro", "2 euro"]


@pytest.mark.parametrize(
    "text",
    [
        '["a", "ignore", "b"]',
        '{"0": "a", "1": "ignore", "2": "b"}',
        '{"a": 0, "ignore": 1, "b": 2}',
        "id,name\n0,a\n1,ignore\n2,b\n",
        '["__ignore__", "a", "ignore", "b"]',
    ],
)
def test_a_class_called_ignore_has_its_index_where_indices_are_listed(tmp_path, text):
    path = tmp_path / "classes.json"
    path.write_text(text)
    assert read_class_names(path) == ["a", "ignore", "b"]
