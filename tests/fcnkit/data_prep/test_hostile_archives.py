"""Truncated, forged and foreign archives of datasets: errors that name the member."""

import io
import struct
import tarfile
import zipfile

import mat_datasets as made
import numpy as np
import pytest
from labelled_data import encoded

from caffeformat import FormatError, InputError
from fcnkit.data_prep import prepare_data, prepare_nyud, prepare_siftflow

pytest.importorskip("scipy")

LABEL = "nyud/segmentation/img_5001.mat"
IMAGE = "nyud/data/images/img_5001.png"


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def refuse(tmp_path):
    """A function that checks that an archive of NYUDv2 is refused and leaves nothing behind."""

    def check(files, words, error=FormatError):
        archive = write_zip(tmp_path / "nyud.zip", files)
        with pytest.raises(error, match=words):
            prepare_nyud(archive, tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["nyud.zip"]

    return check


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_zip_is_reported(tmp_path, share):
    archive = write_zip(tmp_path / "a.zip", made.siftflow_files())
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"a\.zip: the archive is truncated"):
        prepare_siftflow(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["../../evil.png", "/etc/evil.png", "C:\\evil.png", "a/../../evil"]
)
def test_names_that_lead_out_of_a_zip_are_refused(refuse, name):
    refuse({name: b"evil", **made.nyud_files()}, r"refused.*evil")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../etc/passwd", "img_5003.mat"])
def test_a_link_or_device_for_a_label_is_refused(tmp_path, kind, target):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo(LABEL)
        link.type, link.linkname = kind, target
        archive.addfile(link)
        files = made.nyud_files()
        del files[LABEL]
        made.write_files(tmp_path / "in", files)
        archive.add(tmp_path / "in" / "nyud", "nyud")
    with pytest.raises(FormatError, match=r"img_5001\.mat is a link or a device"):
        prepare_nyud(tmp_path / "a.tar", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_images_that_are_links_are_not_left_out(tmp_path, kind):
    """Datasets are often made of links, which a tar keeps as what they are."""
    image, label = (encoded(np.zeros((4, 4), np.uint8), "PNG") for _ in range(2))
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in {"images/1.png": image, "labels/1.png": label}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for folder in ("images", "labels"):
            link = tarfile.TarInfo(f"{folder}/2.png")
            link.type, link.linkname = kind, f"{folder}/1.png"
            archive.addfile(link)
    words = r"a\.tar: images/2\.png is a link .*: unpack the archive, and pass the folder"
    with pytest.raises(InputError, match=words):
        prepare_data(tmp_path / "a.tar", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("claimed", [999, 0xFFFFFFF0])
def test_a_zip_whose_directory_lies_about_a_size_is_refused(tmp_path, claimed):
    archive = write_zip(tmp_path / "a.zip", made.nyud_files())
    data = bytearray(archive.read_bytes())
    # In the directory's entry the size is 22 bytes before the name.
    struct.pack_into("<I", data, data.rfind(IMAGE.encode()) - 46 + 24, claimed)
    archive.write_bytes(data)
    with pytest.raises(FormatError, match=r"damaged|claims 4294967280 bytes"):
        prepare_nyud(archive, tmp_path / "out")


@pytest.mark.parametrize(
    "name, content, words",
    [
        (IMAGE, bytes(1000), r"img_5001\.png: cannot be read as an image"),
        (IMAGE, b"", r"img_5001\.png: cannot be read as an image"),
        (LABEL, b"", r"img_5001\.mat: cannot be read as a MATLAB file"),
        ("nyud/trainval.txt", b"", r"trainval\.txt: the image set is empty"),
        ("nyud/trainval.txt", b"5001\n5001\n9999\n", r"lacks 2 of the \d+ files .*img_9999"),
    ],
)
def test_files_of_another_kind_are_named(refuse, name, content, words):
    refuse({**made.nyud_files(), name: content}, words, InputError)


def test_an_image_that_claims_an_absurd_size_is_refused(refuse):
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(
        ">I4sIIBBBBB", 13, b"IHDR", 60000, 60000, 8, 2, 0, 0, 0
    )
    png = made.nyud_files()[IMAGE]
    refuse({**made.nyud_files(), IMAGE: head + png[29:]}, r"img_5001\.png", InputError)


@pytest.mark.slow
def test_a_label_of_absurd_size_is_refused(refuse):
    bomb = made.mat(segmentation=np.zeros((8200, 8200), np.uint8))
    refuse({**made.nyud_files(), LABEL: bomb}, r"img_5001\.mat: refused: \d+ bytes or more")


@pytest.mark.parametrize("around", ["a/b/c/", "./", "nyud/nyud/"])
def test_folders_around_the_layout_do_not_matter(tmp_path, around):
    files = {around + name: content for name, content in made.nyud_files().items()}
    archive = write_zip(tmp_path / "nyud.zip", files)
    assert prepare_nyud(archive, tmp_path / "out") == {"train": 2, "val": 1}


def test_lists_of_two_datasets_in_one_archive_are_reported(refuse):
    files = made.nyud_files()
    files["copy/nyud/test.txt"] = files.pop("nyud/test.txt")
    refuse(files, r"is in copy/nyud/ and in nyud/", InputError)
