"""Two members of one name: one file if their contents agree, else refused by that name."""

import warnings
import zipfile

import pytest
from voc_archive import voc_files, write_tar

from caffeformat import InputError
from fcnkit.data_prep import prepare_data, prepare_voc
from fcnkit.data_prep.layouts.extraction import extract, read_lists
from fcnkit.files import members
from fcnkit.progress import Progress

FORMS = ["a.tar", "a.tar.gz", "a.zip"]
WORDS = "holds {} more than once, with different contents: unpack .* keeps the last, .* the folder"


def archive(path, *entries):
    """An archive of (name, content) pairs."""
    if path.suffix != ".zip":
        return write_tar(path, entries, "w:gz" if path.suffix == ".gz" else "w")
    with zipfile.ZipFile(path, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there
        for name, content in entries:
            file.writestr(name, content)
    return path


def contents(path):
    return [(member.name, b"".join(member.read_chunks())) for member in members(path)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("other", [b"two", b"longer", b""])
@pytest.mark.parametrize("name", ["x/a.png", "./x//a.png"])
def test_other_content_is_refused_by_name(tmp_path, form, other, name):
    path = archive(tmp_path / form, ("x/a.png", b"one"), ("b", b"b"), (name, other))
    with pytest.raises(InputError, match=WORDS.format("x/a.png")):
        contents(path)
    with pytest.raises(InputError, match=WORDS.format("x/a.png")):  # nor where nobody reads it
        list(members(path))


@pytest.mark.parametrize("form", FORMS)
def test_the_same_content_is_one_file(tmp_path, form):
    path = archive(tmp_path / form, ("a", b"one"), ("b", b""), ("./a", b"one"), ("b", b""))
    assert contents(path) == [("a", b"one"), ("b", b"")]


@pytest.mark.parametrize("form", ["a.tar", "a.tar.gz"])
@pytest.mark.parametrize(
    "place", ["SegmentationClass/2008_000001.png", "JPEGImages/2007_000001.jpg"]
)
@pytest.mark.parametrize("prepare", [prepare_voc, prepare_data])
def test_what_was_appended_to_a_dataset_is_not_overlooked(tmp_path, form, place, prepare):
    files = voc_files()
    (name,) = [name for name in files if name.endswith(place)]
    (other,) = [o for o in files if o.endswith(place.replace("00001", "00002").replace("8_", "7_"))]
    path = archive(tmp_path / form, *files.items(), (name, files[other]))
    with pytest.raises(InputError, match=WORDS.format(name)):
        prepare(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_lists_and_their_files_are_read_to_the_end(tmp_path):
    path = archive(tmp_path / "a.tar", ("train.txt", b"a\n"), ("a", b"1"), ("a", b"2"))
    read_lists(path, ["train"])  # whose files `extract` takes from the same archive
    with pytest.raises(InputError, match=WORDS.format("a")):
        extract(path, {"a": [len]}, Progress())
    with pytest.raises(InputError, match=WORDS.format("a")):
        read_lists(path, ["train"], apart=True)
