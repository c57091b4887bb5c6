"""SBD, PASCAL-Context, NYUDv2, SIFT Flow and COCO become the folders that VOC becomes."""

import json
import os
import subprocess
import sys

import mat_datasets as made
import numpy as np
import pytest
from coco_archive import coco_files
from voc_archive import voc_files, write_tar

from caffeformat import FormatError, InputError
from fcnkit.commands import main
from fcnkit.data_prep import (
    prepare_coco,
    prepare_nyud,
    prepare_pascal_context,
    prepare_sbd,
    prepare_siftflow,
)
from fcnkit.images import read_label

pytest.importorskip("scipy")

VOC_VAL = "2008_000001"
SIZES = {"2008_000001": (20, 24), "2008_000002": (24, 20), "2008_000003": (22, 22)}
VOC2010_SETS = {"train": ["2008_000001", "2008_000002"], "val": ["2008_000003"]}


class Case:
    """A dataset: its archives (name -> files) and the arguments of its command."""

    def __init__(self, archives, prepare, command, pairs):
        self.archives, self.prepare, self.command, self.pairs = archives, prepare, command, pairs

    def write(self, folder, mode="w:gz"):
        """Write the archives; returns their paths."""
        names = [(folder / f"{name}.tar.gz", files) for name, files in self.archives.items()]
        return [str(write_tar(path, files, mode)) for path, files in names]


def all_cases():
    voc2010 = made.voc2010_files(VOC2010_SETS, SIZES)
    return {
        "sbd": Case(
            {"sbd": made.sbd_files()}, prepare_sbd, "prepare_sbd_data", {"train": 2, "val": 1}
        ),
        "pascal_context": Case(
            {"voc2010": voc2010, "context": made.context_files(SIZES)},
            prepare_pascal_context,
            "prepare_pascal_context_data",
            {"train": 2, "val": 1},
        ),
        "nyud": Case(
            {"nyud": made.nyud_files()}, prepare_nyud, "prepare_nyud_data", {"train": 2, "val": 1}
        ),
        "siftflow": Case(
            {"siftflow": made.siftflow_files()},
            prepare_siftflow,
            "prepare_siftflow_data",
            {"train": 2, "val": 1},
        ),
        "coco": Case(
            {"coco": coco_files()},
            lambda archive, out, **settings: prepare_coco(archive, [archive], out, **settings),
            "prepare_coco_data",
            {"train": 2, "val": 1},
        ),
    }


DATASETS = ["sbd", "pascal_context", "nyud", "siftflow", "coco"]


@pytest.fixture
def case(request):
    return all_cases()[request.param]


def stems(folder):
    return sorted(os.path.splitext(name)[0] for name in os.listdir(folder))


@pytest.mark.parametrize("case", DATASETS, indirect=True)
def test_folders_become_databases(tmp_path, case):
    out = tmp_path / "out"
    assert case.prepare(*case.write(tmp_path), out) == case.pairs
    for split, count in case.pairs.items():
        assert len(os.listdir(out / split / "images")) == count
        assert stems(out / split / "images") == stems(out / split / "labels")
    command = ["create_lmdb", str(out), str(tmp_path / "db"), "--classes", str(out / "classes.txt")]
    assert main.main([*command, "--workers", "1"]) == 0


@pytest.mark.parametrize("case", DATASETS, indirect=True)
def test_commands_print_what_they_wrote(tmp_path, case, capsys):
    paths = case.write(tmp_path)
    if case.command == "prepare_coco_data":
        paths *= 2
    out = str(tmp_path / "out")
    assert main.main([case.command, *paths, out]) == 0
    words = capsys.readouterr().out.splitlines()
    assert words[0].startswith("Expanding ") and words[-2:] == ["Done!", "2 train, 1 val pairs"]
    assert main.main([case.command, *paths, out]) == 1
    assert "already holds" in capsys.readouterr().err
    assert main.main([case.command, *paths, out, "--force"]) == 0


@pytest.mark.parametrize("case", DATASETS, indirect=True)
def test_truncated_archives_leave_nothing(tmp_path, case):
    paths = case.write(tmp_path)
    for path in paths:
        with open(path, "rb") as file:
            data = file.read()
        for share in (0.1, 0.5, 0.8):
            with open(path, "wb") as file:
                file.write(data[: int(len(data) * share)])
            with pytest.raises(InputError, match="truncated"):
                case.prepare(*paths, tmp_path / "out")
        with open(path, "wb") as file:
            file.write(data)
    assert sorted(os.listdir(tmp_path)) == sorted(os.path.basename(path) for path in paths)


@pytest.mark.parametrize("case", DATASETS, indirect=True)
def test_names_that_lead_out_are_refused(tmp_path, case):
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    for files in case.archives.values():
        first = dict(files)
        files.clear()
        files.update({"x/../../../evil.jpg": b"evil", **first})
    with pytest.raises(FormatError, match=r"refused.*evil"):
        case.prepare(*case.write(inside), inside / "out")
    assert not list(tmp_path.rglob("evil*")) and not (inside / "out").exists()


@pytest.mark.parametrize(
    "case, gone",
    [
        ("sbd", "cls/2008_000002.mat"),
        ("sbd", "img/2008_000002.jpg"),
        ("pascal_context", "trainval/2008_000002.mat"),
        ("pascal_context", "JPEGImages/2008_000002.jpg"),
        ("nyud", "segmentation/img_5003.mat"),
        ("siftflow", "coast_a1.mat"),
        ("coco", "000000000012.jpg"),
    ],
    indirect=["case"],
)
def test_a_missing_file_is_named(tmp_path, case, gone):
    for files in case.archives.values():
        for name in [name for name in files if name.endswith(gone)]:
            del files[name]
    with pytest.raises(InputError, match=rf"lacks 1 of .*{gone}"):
        case.prepare(*case.write(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "case, old, new",
    [
        ("sbd", "img/2008_000002.jpg", "Img/2008_000002.JPG"),
        ("siftflow", "Images/", "images/"),
    ],
    indirect=["case"],
)
def test_a_name_in_another_case_is_reported(tmp_path, case, old, new):
    (files,) = case.archives.values()
    for name in [name for name in files if old in name]:
        files[name.replace(old, new)] = files.pop(name)
    with pytest.raises(InputError, match=rf"it has .*{new}.*upper and lower case"):
        case.prepare(*case.write(tmp_path), tmp_path / "out")


@pytest.mark.parametrize("case", ["sbd", "nyud", "siftflow"], indirect=True)
def test_ids_that_lead_out_are_refused(tmp_path, case):
    (files,) = case.archives.values()
    for name in files:
        if name.endswith(("train.txt", "trainval.txt")):
            files[name] = b"../../evil\n"
    with pytest.raises(FormatError, match=r"refused.*evil"):
        case.prepare(*case.write(tmp_path), tmp_path / "out")


def test_damaged_labels_are_reported_by_name(tmp_path):
    files = made.sbd_files()
    files["benchmark_RELEASE/dataset/cls/2008_000002.mat"] = b"no label" * 50
    archive = write_tar(tmp_path / "sbd.tar", files)
    with pytest.raises(FormatError, match=r"cls/2008_000002\.mat.*MATLAB"):
        prepare_sbd(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def sbd_with_voc(tmp_path):
    """SBD whose train contains a validation image of VOC, and a VOC with that image and another."""
    files = voc_files("VOC2011")
    root = "VOCdevkit/VOC2011"
    for kind, suffix in (("JPEGImages", "jpg"), ("SegmentationClass", "png")):
        files[f"{root}/{kind}/2011_000007.{suffix}"] = files[f"{root}/{kind}/{VOC_VAL}.{suffix}"]
    files[f"{root}/ImageSets/Segmentation/val.txt"] = made.id_list([VOC_VAL, "2011_000007"])
    sbd = made.sbd_files(train=[VOC_VAL, "2009_000002"], val=["2010_000003"])
    return write_tar(tmp_path / "sbd.tar", sbd), write_tar(tmp_path / "voc.tar", files)


def test_seg11valid_is_voc_val_without_sbd_train(tmp_path, sbd_with_voc):
    sbd, voc = sbd_with_voc
    out = tmp_path / "out"
    assert prepare_sbd(sbd, out, voc) == {"train": 2, "val": 1}
    assert stems(out / "train" / "images") == stems(out / "train" / "labels")
    assert stems(out / "train" / "images") == [VOC_VAL, "2009_000002"]
    assert stems(out / "val" / "images") == stems(out / "val" / "labels") == ["2011_000007"]
    assert (out / "seg11valid.txt").read_text() == "2011_000007\n"


def test_noval_is_sbd_train_without_voc_val(tmp_path, sbd_with_voc):
    sbd, voc = sbd_with_voc
    out = tmp_path / "out"
    assert prepare_sbd(sbd, out, voc, split="noval") == {"train": 1, "val": 2}
    assert stems(out / "train" / "images") == ["2009_000002"]
    assert stems(out / "val" / "labels") == [VOC_VAL, "2011_000007"]
    assert not (out / "seg11valid.txt").exists()


def test_a_split_that_lacks_voc_is_refused(tmp_path, sbd_with_voc):
    with pytest.raises(InputError, match="noval: needs VOC's images"):
        prepare_sbd(sbd_with_voc[0], tmp_path / "out", split="noval")
    with pytest.raises(InputError, match="sbd: does not use VOC"):
        prepare_sbd(*sbd_with_voc[:1], tmp_path / "out", voc=sbd_with_voc[1], split="sbd")


def test_sbds_labels_keep_their_indices(tmp_path):
    files = made.sbd_files()
    prepare_sbd(made.write_files(tmp_path / "expanded", files), tmp_path / "out")
    mat = files["benchmark_RELEASE/dataset/cls/2008_000003.mat"]
    wanted = made.variable(mat, "GTcls")[0]["Segmentation"][0]
    np.testing.assert_array_equal(read_label(tmp_path / "out/val/labels/2008_000003.png"), wanted)


def test_contexts_lists_of_classes_may_be_files(tmp_path):
    case = all_cases()["pascal_context"]
    files = case.archives["context"]
    for name in ("labels.txt", "59_labels.txt"):
        (tmp_path / name).write_bytes(files.pop(name))
    paths = case.write(tmp_path)
    with pytest.raises(InputError, match=r"no labels\.txt.*labels="):
        case.prepare(*paths, tmp_path / "out")
    case.prepare(
        *paths, tmp_path / "out", tmp_path / "labels.txt", chosen=tmp_path / "59_labels.txt"
    )
    label = read_label(tmp_path / "out/val/labels/2008_000003.png")
    raw = made.variable(files["trainval/2008_000003.mat"], "LabelMap")
    np.testing.assert_array_equal(label, np.array([0, 0, 1, 2, 3, 4, 5])[raw])
    names = (tmp_path / "out/classes.txt").read_text().split()
    assert names[:2] == ["background", "aeroplane"] and len(names) == 6


def test_nyuds_hha_and_lists(tmp_path):
    files = made.nyud_files()
    folder = made.write_files(tmp_path / "expanded", files)
    out = tmp_path / "out"
    prepare_nyud(folder, out, sets=("test", "trainval"), source="hha")
    assert (out / "train/images/5002.png").read_bytes() == files["nyud/data/hha/img_5002.png"]
    raw = made.variable(files["nyud/segmentation/img_5002.mat"], "segmentation").astype(int)
    label = read_label(out / "train/labels/5002.png")
    np.testing.assert_array_equal(label, np.where(raw == 0, 255, raw - 1))
    assert len((out / "classes.txt").read_text().splitlines()) == 40


def test_siftflows_own_test_set_omits_images_without_annotation(tmp_path):
    ids = ("coast_a1", "highway_bost181", "street_b2", "tall_c3")
    files = made.siftflow_files(ids, lists=False)
    files["SiftFlow/TestSet1.txt"] = f"{made.SCENES}\\street_b2.jpg\r\n".encode()
    folder = made.write_files(tmp_path / "expanded", files)
    out = tmp_path / "out"
    assert prepare_siftflow(folder, out, labels="geometric") == {"train": 2, "val": 1}
    assert stems(out / "train" / "images") == ["coast_a1", "tall_c3"]
    raw = made.variable(files[f"SiftFlow/GeoLabels/{made.SCENES}/street_b2.mat"], "S")
    label = read_label(out / "val/labels/street_b2.png")
    np.testing.assert_array_equal(label, np.where(raw <= 0, 255, raw - 1))
    assert (out / "classes.txt").read_text().split() == ["sky", "horizontal", "vertical"]


def test_siftflows_lists_may_be_given(tmp_path):
    folder = made.write_files(tmp_path / "expanded", made.siftflow_files(lists=False))
    with pytest.raises(InputError, match="lists="):
        prepare_siftflow(folder, tmp_path / "out")
    made.write_files(
        tmp_path / "lists",
        {"trainval.txt": b"tall_c3\n", "test.txt": b"coast_a1\nstreet_b2\n"},
    )
    counts = prepare_siftflow(folder, tmp_path / "out", tmp_path / "lists")
    assert counts == {"train": 1, "val": 2}


def test_cocos_labels_have_vocs_indices(tmp_path):
    folder = made.write_files(tmp_path / "expanded", coco_files())
    out = tmp_path / "out"
    prepare_coco(folder / "annotations", [folder / "val2017", folder / "train2017"], out)
    label = read_label(out / "val/labels/000000000013.png")
    wanted = np.zeros((40, 50), np.uint8)
    wanted[:30, :40] = 15  # person
    wanted[20:, 30:] = 1  # aeroplane
    wanted[20:30, 30:40] = 255  # both
    np.testing.assert_array_equal(label, wanted)
    assert stems(out / "train" / "images") == ["000000000011", "000000000012"]


def test_objects_of_one_class_may_overlap(tmp_path):
    files = coco_files()
    for name in ("train2017", "val2017"):
        path = f"annotations/instances_{name}.json"
        content = json.loads(files[path])
        for annotation in content["annotations"]:
            annotation["category_id"] = 1
        files[path] = json.dumps(content).encode()
    folder = made.write_files(tmp_path / "expanded", files)
    prepare_coco(folder, [folder], tmp_path / "out")
    label = read_label(tmp_path / "out/val/labels/000000000013.png")
    assert set(label[:30, :40].ravel()) == set(label[20:, 30:].ravel()) == {15}


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda c: c["images"][0].update(file_name="../evil.jpg/x"), r"refused.*evil"),
        (lambda c: c["images"][0].update(height=10**9), "refused"),
        (lambda c: c["annotations"][0].update(image_id=77), "not in COCO's format.*77"),
        (lambda c: c["images"][1].update(file_name="000000000011.jpg"), "two of its images"),
        (lambda c: c["images"][1].update(file_name="x/000000000011.png"), "two of its images"),
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3]]), "000000000011.jpg"),
        (lambda c: c["annotations"][0].update(segmentation={"counts": [5]}), "run lengths"),
    ],
)
def test_damaged_annotations_are_reported(tmp_path, change, words):
    files = coco_files()
    name = "annotations/instances_train2017.json"
    content = json.loads(files[name])
    change(content)
    files[name] = json.dumps(content).encode()
    archive = write_tar(tmp_path / "coco.tar", files)
    with pytest.raises(FormatError, match=words):
        prepare_coco(archive, [archive], tmp_path / "out")
    assert os.listdir(tmp_path) == ["coco.tar"]


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("name", DATASETS)
def test_shell_scripts_run_their_command(repo, name):
    script = repo / "data_prep" / f"prepare_{name}_data.sh"
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    archives = ["absent.tar"] * (2 if name in ("pascal_context", "coco") else 1)
    done = subprocess.run(
        [str(script), *archives, "out"],
        env=dict(os.environ, PATH=path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "absent.tar: no such file" in done.stderr
