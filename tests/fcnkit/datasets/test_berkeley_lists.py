"""Lists of image ids that Berkeley's data layers read: what is in them, and nothing outside."""

import pytest

from caffeformat import InputError
from fcnkit.datasets.berkeley import read_ids


def test_ids_are_lines_without_blanks(tmp_path):
    path = tmp_path / "seg11valid.txt"
    path.write_bytes(b"2007_000033\r\n\n  2007_000042 \nfolder/2007_000061")
    assert read_ids(str(path)) == ["2007_000033", "2007_000042", "folder/2007_000061"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the list of images is empty"),
        (b"\n \n", "the list of images is empty"),
        (b"a\n/etc/passwd\n", "refused: '/etc/passwd' is not an image id"),
        (b"../../secret\n", r"refused: '\.\./\.\./secret' is not an image id"),
        (b"a\\..\\b\n", "refused: .* is not an image id"),
        (b"\xff\xfe\xfa", "cannot read the list of images"),
    ],
)
def test_lists_that_lead_elsewhere_or_nowhere(tmp_path, content, words):
    path = tmp_path / "val.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_ids(str(path))
    assert str(path) in str(caught.value)


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(InputError, match=r"val\.txt"):
        read_ids(str(tmp_path / "val.txt"))
