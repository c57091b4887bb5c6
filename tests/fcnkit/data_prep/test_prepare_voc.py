import contextlib
import gzip
import os
import signal
import subprocess
import sys
import tarfile
import zipfile

import pytest
from voc_archive import IDS, voc_files, write_archive, write_tar

from caffeformat import FormatError, InputError
from fcnkit.commands import main
from fcnkit.data_prep import prepare_voc

FORMS = ["tar", "tar.gz", "tar.bz2", "tar.xz", "zip", "folder"]


def expected_tree(files, name="VOC2012", labels="SegmentationClass", ids=IDS):
    root = f"VOCdevkit/{name}"
    tree = {}
    for split, names in ids.items():
        for id_ in names:
            tree[f"{split}/images/{id_}.jpg"] = files[f"{root}/JPEGImages/{id_}.jpg"]
            tree[f"{split}/labels/{id_}.png"] = files[f"{root}/{labels}/{id_}.png"]
    return tree


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_exactly_the_files_that_the_sets_name(tmp_path, tree, form):
    files = voc_files()
    archive = write_archive(form, tmp_path, files)
    counts = prepare_voc(archive, tmp_path / "out")
    assert counts == {"train": 3, "val": 1}
    assert tree(tmp_path / "out") == expected_tree(files)


@pytest.mark.parametrize("below", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_a_folder_may_be_given_at_any_level(tmp_path, tree, below):
    files = voc_files()
    write_archive("folder", tmp_path, files)
    prepare_voc(tmp_path / "expanded" / below, tmp_path / "out")
    assert tree(tmp_path / "out") == expected_tree(files)


@pytest.mark.parametrize("form", ["tar", "tar.gz"])
def test_images_before_the_image_sets_are_fetched_in_a_second_pass(tmp_path, tree, form):
    files = voc_files()
    archive = write_archive(form, tmp_path, dict(reversed(list(files.items()))))
    prepare_voc(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == expected_tree(files)


def test_a_gzip_of_several_members_with_padding_is_read(tmp_path, tree):
    files = voc_files()
    data = write_archive("tar", tmp_path, files).read_bytes()
    third = len(data) // 3
    parts = [gzip.compress(part) for part in (data[:third], data[third:], b"")]
    archive = tmp_path / "parts.tar.gz"
    archive.write_bytes(b"".join(parts) + bytes(1000))
    prepare_voc(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == expected_tree(files)


def test_every_field_of_a_gzip_header_is_skipped(tmp_path, tree):
    files = voc_files()
    data = gzip.compress(write_archive("tar", tmp_path, files).read_bytes())
    fields = b"\x03\x00abc" + b"voc.tar\0" + b"a comment\0" + b"\x12\x34"
    archive = tmp_path / "fields.tar.gz"
    archive.write_bytes(data[:3] + bytes([2 + 4 + 8 + 16]) + data[4:10] + fields + data[10:])
    prepare_voc(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == expected_tree(files)


@pytest.mark.slow
@pytest.mark.parametrize("cut", [100, 1_000_000, 9_000_000, 17_000_000])
def test_a_large_gzip_is_read_whole_or_found_truncated(tmp_path, tree, cut):
    files = voc_files()
    names = [name for name in files if "JPEGImages/200" in name]
    for name in names:
        files[name] += os.urandom(20_000_000 // len(names))
    archive = write_tar(tmp_path / "voc.tar.gz", files, "w:gz")
    prepare_voc(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == expected_tree(files)
    archive.write_bytes(archive.read_bytes()[:-cut])
    with contextlib.suppress(InputError):
        # The last bytes contain nothing that is needed.
        prepare_voc(archive, tmp_path / "out", force=True)
        assert cut == 100
    assert tree(tmp_path / "out") == expected_tree(files)


def test_command_prints_the_tutorials_lines(tmp_path, voc_tar, capsys):
    out = str(tmp_path / "out")
    assert main.main(["prepare_pascal_voc_data", str(voc_tar), out]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"Expanding {voc_tar}",
        f"Copying data into {out}",
        "Processing train data",
        "Processing val data",
        "Done!",
    ]


def test_shell_script_runs_from_any_folder(tmp_path, voc_tar, repo):
    script = repo / "data_prep" / "prepare_pascal_voc_data.sh"
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    done = subprocess.run(
        [str(script), voc_tar.name, "out"],
        cwd=tmp_path,
        env=dict(os.environ, PATH=path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "Done!"
    assert len(os.listdir(tmp_path / "out" / "train" / "images")) == 3


def test_other_devkit_image_sets_and_labels(tmp_path, tree):
    files = voc_files("Mine")
    root = "VOCdevkit/Mine"
    files[f"{root}/ImageSets/Main/both.txt"] = b"2007_000001  1\n2008_000001 -1\n\n"
    for id_ in ("2007_000001", "2008_000001"):
        label = files[f"{root}/SegmentationClass/{id_}.png"]
        files[f"{root}/SegmentationObject/{id_}.png"] = label + b"objects"
    archive = write_archive("tar", tmp_path, files)
    prepare_voc(archive, tmp_path / "out", sets=["both"], task="Main", labels="SegmentationObject")
    ids = {"both": ["2007_000001", "2008_000001"]}
    assert tree(tmp_path / "out") == expected_tree(files, "Mine", "SegmentationObject", ids)


def test_sets_that_overlap_each_get_their_copy(tmp_path, tree):
    files = voc_files()
    everything = "".join(f"{i}\n" for ids in IDS.values() for i in ids)
    files["VOCdevkit/VOC2012/ImageSets/Segmentation/trainval.txt"] = everything.encode()
    archive = write_archive("zip", tmp_path, files)
    counts = prepare_voc(archive, tmp_path / "out", sets=["trainval", "val"])
    assert counts == {"trainval": 4, "val": 1}
    ids = {"trainval": IDS["train"] + IDS["val"], "val": IDS["val"]}
    assert tree(tmp_path / "out") == expected_tree(files, ids=ids)


def test_several_devkits_need_a_name(tmp_path, tree):
    files = {**voc_files("VOC2007"), **voc_files("VOC2012")}
    archive = write_archive("folder", tmp_path, files)
    with pytest.raises(InputError, match=r"VOC2007 and .*VOC2012.*name="):
        prepare_voc(archive, tmp_path / "out")
    prepare_voc(archive, tmp_path / "out", name="VOC2012")
    assert tree(tmp_path / "out") == expected_tree(files)


@pytest.mark.parametrize("form", ["tar", "tar.gz", "tar.bz2", "tar.xz", "zip"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_truncated_archives_leave_nothing(tmp_path, form, share):
    archive = write_archive(form, tmp_path, voc_files())
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match="truncated"):
        prepare_voc(archive, tmp_path / "out")
    assert os.listdir(tmp_path) == [archive.name]


def test_an_archive_that_ends_before_its_images_is_called_truncated(tmp_path):
    files = {name: data for name, data in voc_files().items() if "JPEGImages" not in name}
    archive = write_archive("tar", tmp_path, files)
    with pytest.raises(InputError, match=r"no images in .*JPEGImages.* truncated: fetch it again"):
        prepare_voc(archive, tmp_path / "out")
    assert os.listdir(tmp_path) == [archive.name]


def test_a_flipped_byte_in_a_gzip_is_found_or_harmless(tmp_path, tree):
    files = voc_files()
    archive = write_archive("tar.gz", tmp_path, files)
    data = archive.read_bytes()
    found = 0
    for place in range(20, len(data), len(data) // 40):
        archive.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        try:
            prepare_voc(archive, tmp_path / "out", force=True)
        except InputError as error:
            found += archive.name in str(error)
    assert found > 20


@pytest.mark.parametrize("kind", ["SegmentationClass", "JPEGImages"])
@pytest.mark.parametrize("form", FORMS)
def test_a_missing_file_is_named(tmp_path, form, kind):
    files = voc_files()
    gone = next(n for n in files if f"{kind}/2007_000002" in n)
    del files[gone]
    archive = write_archive(form, tmp_path, files)
    with pytest.raises(InputError, match=rf"lacks 1 of the 8 .*{kind}/2007_000002"):
        prepare_voc(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_image_sets_are_named(tmp_path):
    files = voc_files()
    del files["VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt"]
    archive = write_archive("tar", tmp_path, files)
    with pytest.raises(InputError, match=r"set `train`, not train and val: .*sets=\['train'\]"):
        prepare_voc(archive, tmp_path / "out")


@pytest.mark.parametrize("form", ["tar", "tar.gz", "zip"])
@pytest.mark.parametrize(
    "name",
    [
        "../evil.jpg",
        "VOCdevkit/VOC2012/JPEGImages/../../../../evil.jpg",
        "/evil.jpg",
        "C:/evil.jpg",
    ],
)
def test_names_that_lead_out_are_refused(tmp_path, form, name):
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    archive = write_archive(form, inside, {name: b"evil", **voc_files()})
    with pytest.raises(FormatError, match=r"refused.*evil"):
        prepare_voc(archive, inside / "out")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "b", archive.name]


@pytest.mark.parametrize("id_", ["../../evil", "/etc/passwd", "..", ".hidden", "a/../b"])
def test_ids_that_lead_out_are_refused(tmp_path, id_):
    files = voc_files()
    files["VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt"] = f"2007_000001\n{id_}\n".encode()
    with pytest.raises(FormatError) as error:
        prepare_voc(write_archive("tar", tmp_path, files), tmp_path / "out")
    assert error.value.line == 2


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_not_followed(tmp_path, kind):
    files = voc_files()
    name = "VOCdevkit/VOC2012/JPEGImages/2007_000002.jpg"
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    files[name] = info
    with pytest.raises(FormatError, match=r"2007_000002\.jpg is a link or a device"):
        prepare_voc(write_tar(tmp_path / "voc.tar", files), tmp_path / "out")


def test_links_in_a_zip_are_not_followed(tmp_path):
    files = voc_files()
    path = tmp_path / "voc.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            if name.endswith("2007_000002.jpg"):
                info.external_attr, content = 0o120777 << 16, b"/etc/passwd"
            archive.writestr(info, content)
    with pytest.raises(FormatError, match="is a link"):
        prepare_voc(path, tmp_path / "out")


def test_a_file_that_claims_gigabytes_is_refused(tmp_path):
    files = voc_files()
    data = write_tar(tmp_path / "voc.tar", files).read_bytes()
    name = b"VOCdevkit/VOC2012/JPEGImages/2007_000001.jpg"
    header = bytearray(data[data.index(name) :][:512])
    header[124:136] = b"77777777777\0"  # octal: 8 GB
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    start = data.index(name)
    (tmp_path / "voc.tar").write_bytes(data[:start] + bytes(header) + data[start + 512 :])
    with pytest.raises(FormatError, match="claims 8589934591 bytes"):
        prepare_voc(tmp_path / "voc.tar", tmp_path / "out")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x1f\x8b", b"PK\x03\x04", b"BZh9", bytes(2048)]
)
def test_what_is_no_archive_is_named(tmp_path, content):
    path = tmp_path / "thing.tar"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"thing\.tar"):
        prepare_voc(path, tmp_path / "out")
    with pytest.raises(InputError, match=r"absent\.tar"):
        prepare_voc(tmp_path / "absent.tar", tmp_path / "out")


def test_a_full_folder_is_kept_unless_forced(tmp_path, voc_tar, tree, capsys):
    out = tmp_path / "out"
    (out / "train").mkdir(parents=True)
    (out / "train" / "mine.txt").write_text("mine")
    (out / "notes.txt").write_text("notes")
    before = tree(out)
    assert main.main(["prepare_pascal_voc_data", str(voc_tar), str(out)]) == 1
    assert "--force" in capsys.readouterr().err
    assert tree(out) == before
    assert main.main(["prepare_pascal_voc_data", str(voc_tar), str(out), "--force"]) == 0
    assert tree(out) == {**expected_tree(voc_files()), "notes.txt": b"notes"}
    assert sorted(os.listdir(tmp_path)) == ["out", voc_tar.name]


def test_a_failed_run_with_force_keeps_what_was_there(tmp_path, voc_tar, tree):
    out = tmp_path / "out"
    prepare_voc(voc_tar, out)
    before = tree(out)
    voc_tar.write_bytes(voc_tar.read_bytes()[:-6000])
    with pytest.raises(InputError):
        prepare_voc(voc_tar, out, force=True)
    assert tree(out) == before


def big_archive(folder, size=300_000):
    files = voc_files()
    for name in files:
        if "JPEGImages/200" in name:
            files[name] = files[name] + os.urandom(size)
    return write_archive("tar", folder, files)


def test_no_space_left_is_reported_and_cleaned_up(tmp_path, small_disk):
    archive = big_archive(tmp_path)
    with pytest.raises(InputError, match="No space left"):
        prepare_voc(archive, small_disk / "out")
    assert os.listdir(small_disk) == []


def test_a_file_size_limit_is_reported_and_cleaned_up(tmp_path):
    archive = big_archive(tmp_path)
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "from fcnkit.commands.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "prepare_pascal_voc_data"]
    done = subprocess.run(
        [*command, str(archive), str(tmp_path / "out")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "writing failed" in done.stderr and "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == [archive.name]


def test_a_killed_run_leaves_nothing_under_the_final_name(tmp_path, tree):
    files = voc_files()
    archive = write_archive("tar", tmp_path, files)
    # Ends itself the hard way in the middle of writing.
    program = (
        "import os, signal, sys; from fcnkit.data_prep.layouts.voc import prepare_voc;"
        "from fcnkit.progress import Progress; progress = Progress();"
        "progress.step = lambda done, *_: done == 4 and os.kill(os.getpid(), signal.SIGKILL);"
        "prepare_voc(sys.argv[1], sys.argv[2], progress=progress)"
    )
    out = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", program, str(archive), str(out)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not out.exists() and list(tmp_path.glob(".out.*.fcnkit-folder"))
    prepare_voc(archive, out)
    assert tree(out) == expected_tree(files)
    assert sorted(os.listdir(tmp_path)) == ["out", archive.name]


def test_links_in_an_expanded_folder_are_the_users_own(tmp_path, tree):
    files = voc_files()
    devkit = write_archive("folder", tmp_path, files)
    (devkit / "VOC2012" / "JPEGImages").rename(tmp_path / "photos")
    (devkit / "VOC2012" / "JPEGImages").symlink_to(tmp_path / "photos")
    (devkit / "VOC2012" / "loop").symlink_to(devkit)
    prepare_voc(devkit, tmp_path / "out", name="VOC2012")
    assert tree(tmp_path / "out") == expected_tree(files)


def test_real_sample(shared_data, tmp_path):
    counts = prepare_voc(shared_data / "VOC2012_sample.tar", tmp_path / "out")
    assert counts == {"train": 3, "val": 2}
