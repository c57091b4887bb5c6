import pytest

from caffeformat import FormatError, InputError
from fcnkit.images import read_class_names, voc_class_names


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
        ("id,name\n0,background\n1,cat\n", "header 'id,name'"),
        ("0,background\n1,cat\n", "commas"),
        ("background,cat,dog\n", "commas"),
        ("0\tbackground\n1\tcat\n", "tabs"),
        ("0 0 0\n128 0 0\n", "colour map"),
        ('["background", "cat"]\n', "one class name per line"),
    ],
)
def test_what_cannot_be_a_list_of_names_is_refused(tmp_path, text, words):
    path = tmp_path / "names.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=words):
        read_class_names(path)


def test_a_comma_in_one_name_is_part_of_it(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("sky\nbus, truck or van\n")
    assert read_class_names(path) == ["sky", "bus, truck or van"]
