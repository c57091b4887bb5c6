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
    [("a\n\nb\n", 2), ("a\nb\na\n", 3), ("", None), ("\n".join(map(str, range(256))), None)],
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
