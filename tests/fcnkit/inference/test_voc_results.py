import io
import os
import tarfile

import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError
from fcnkit.commands import main
from fcnkit.images import voc_palette, write_label
from fcnkit.inference import pack_voc_results

IDS = ["2008_000006", "2010_004365", "2011_003240"]
FOLDER = "results/VOC2012/Segmentation/comp6_test_cls"


@pytest.fixture
def voc(tmp_path):
    """VOC's test images, and masks of them beside other results of `infer`."""
    root = tmp_path / "VOCdevkit/VOC2012"
    for folder in ("ImageSets/Segmentation", "JPEGImages"):
        os.makedirs(root / folder)
    (root / "ImageSets/Segmentation/test.txt").write_text("\n".join(IDS) + "\n")
    os.mkdir(tmp_path / "masks")
    for number, id_ in enumerate(IDS):
        shape = (20 + number, 30 - number)
        Image.fromarray(np.zeros((*shape, 3), np.uint8)).save(root / f"JPEGImages/{id_}.jpg")
        mask = np.arange(np.prod(shape)).reshape(shape) % 21
        write_label(tmp_path / f"masks/{id_}.png", mask.astype(np.uint8), voc_palette()[::-1])
        Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(tmp_path / f"masks/{id_}_overlay.png")
        (tmp_path / f"masks/{id_}.json").write_text("{}")
    return tmp_path


def pack(voc, archive="results.tgz", **options):
    image_set = voc / "VOCdevkit/VOC2012/ImageSets/Segmentation/test.txt"
    return pack_voc_results(voc / "masks", image_set, voc / archive, **options)


@pytest.mark.parametrize("name", ["results.tgz", "results.tar.gz", "results.tar"])
def test_the_archive_holds_the_server_s_folder(voc, name):
    assert pack(voc, name) == IDS
    with tarfile.open(voc / name) as archive:
        assert archive.getnames() == [f"{FOLDER}/{id_}.png" for id_ in IDS]
        for id_ in IDS:
            content = io.BytesIO(archive.extractfile(f"{FOLDER}/{id_}.png").read())
            packed, mask = Image.open(content), Image.open(voc / f"masks/{id_}.png")
            assert packed.mode == "P" and packed.size == mask.size and not packed.info
            assert packed.getpalette()[:63] == voc_palette()[:21].ravel().tolist()
            assert np.array_equal(np.asarray(packed), np.asarray(mask))


def test_the_same_masks_make_the_same_archive(voc):
    pack(voc, "one.tgz")
    pack(voc, "two.tgz", competition="comp6")
    assert (voc / "one.tgz").read_bytes() == (voc / "two.tgz").read_bytes()
    pack(voc, "five.tar", competition="comp5")
    with tarfile.open(voc / "five.tar") as archive:
        assert all("/comp5_test_cls/" in name for name in archive.getnames())


def _remove(voc):
    os.remove(voc / f"masks/{IDS[1]}.png")


def _turn(voc):
    write_label(voc / f"masks/{IDS[2]}.png", np.zeros((28, 22), np.uint8), voc_palette())


def _leave_out(voc):
    write_label(voc / f"masks/{IDS[0]}.png", np.full((20, 30), 255, np.uint8), voc_palette())


def _paint(voc):
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(voc / f"masks/{IDS[0]}.png")


def _move_images(voc):
    os.rename(voc / "VOCdevkit/VOC2012/JPEGImages", voc / "jpegs")


def _write_set(text):
    def write(voc):
        (voc / "VOCdevkit/VOC2012/ImageSets/Segmentation/test.txt").write_text(text)

    return write


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_remove, f"has no mask of {IDS[1]}, which"),
        (_turn, "is 22x28, but its image is 28x22"),
        (_leave_out, "holds index 255, pixels below a confidence"),
        (_paint, f"{IDS[0]}.png"),
        (_move_images, "pass images=..."),
        (_write_set(""), "is empty"),
        (_write_set("../../etc/passwd\n"), "test.txt:1: '../../etc/passwd' is not an id"),
        (_write_set("2008_000006 1\n"), "is not an id"),
        (_write_set(f"{IDS[0]}\n{IDS[0]}\n"), "in it twice"),
    ],
)
def test_what_the_server_would_refuse_is_refused_before_anything_is_written(voc, spoil, words):
    spoil(voc)
    (voc / "results.tgz").write_bytes(b"before")
    with pytest.raises(InputError) as error:
        pack(voc)
    assert words in str(error.value)
    assert (voc / "results.tgz").read_bytes() == b"before"


def test_other_names_of_archives_are_refused(voc):
    with pytest.raises(InputError, match=r"ends in .tar.gz, .tgz, .tar"):
        pack(voc, "results.zip")


def test_on_the_command_line(voc, capsys, monkeypatch):
    monkeypatch.chdir(voc)
    command = ["masks", "--image-set", "VOCdevkit/VOC2012/ImageSets/Segmentation/test.txt"]
    run = [*command, "-o", "results.tgz"]
    assert main.run_module("fcnkit.commands.pack_voc_results", run) == 0
    assert "3 masks, all of their image's size, indices 0 to 20" in capsys.readouterr().out
    assert main.run_module("fcnkit.commands.pack_voc_results", run) == 1
    assert "pass --force" in capsys.readouterr().err
    _move_images(voc)
    assert main.run_module("fcnkit.commands.pack_voc_results", [*run, "--force"]) == 1
    assert "pass --images" in capsys.readouterr().err
    run += ["--force", "--images", "jpegs", "--competition", "comp5"]
    assert main.run_module("fcnkit.commands.pack_voc_results", run) == 0
