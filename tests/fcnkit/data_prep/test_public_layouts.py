"""Public datasets in the order of their folders, which are not the usual ones."""

import io
import json

import numpy as np
import pytest
from labelled_data import SHADES, check_pairs, encoded, image, label, prepare_export, truth
from PIL import Image

from caffeformat import InputError
from fcnkit.data_prep import check_entries
from fcnkit.data_prep.check.entries import Entry
from fcnkit.images import read_label

BINARY = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
SETS = {"train": (0, 1), "val": (2, 3)}


def mask(number, class_=1):
    """A black and white mask of one class of image `number`."""
    return encoded(((truth(number) == class_) * 255).astype(np.uint8))


def laid_out(templates, sets=SETS):
    """Files of each set: {path with {set} and {n}: what makes the content}."""
    return {
        path.format(set=name, n=number): make(number)
        for name, numbers in sets.items()
        for number in numbers
        for path, make in templates.items()
    }


READ = {
    "images in sets, labels in one folder": {"images/{set}/{n}.png": image, "masks/{n}.png": label},
    "sets beside a folder of labels": {"{set}/{n}.png": image, "labels/{n}.png": label},
    "labels in sets, images in one folder": {"images/{n}.png": image, "masks/{set}/{n}.png": label},
    "BDD100K": {
        "bdd/images/10k/{set}/{n}.png": image,
        "bdd/labels/sem_seg/masks/{set}/{n}.png": label,
        "bdd/labels/sem_seg/colormaps/{set}/{n}.png": image,
    },
    "COCO-Stuff": {
        "images/{set}2017/{n:012}.png": image,
        "stuffthingmaps/{set}2017/{n:012}.png": label,
    },
    "FoodSeg103, which has ImageSets, too": {
        "Images/img_dir/{set}/{n}.png": image,
        "Images/ann_dir/{set}/{n}.png": label,
        "ImageSets/{set}.txt": lambda number: f"{number}.png\n",
        "category_id.txt": lambda number: "0\tbackground\n1\tred\n2\tblue\n",
    },
}


@pytest.mark.parametrize("name", READ)
def test_folders_of_public_datasets(tmp_path, name):
    prepared, _ = prepare_export(tmp_path, laid_out(READ[name]))
    for split, numbers in SETS.items():
        width = 12 if name == "COCO-Stuff" else 1
        found = [path.stem for path in (tmp_path / "out" / split / "images").rglob("*.png")]
        assert sorted(found) == [f"{number:0{width}}" for number in numbers]
        ids = [
            path.relative_to(tmp_path / "out" / split / "labels").as_posix()[:-4]
            for path in (tmp_path / "out" / split / "labels").rglob("*.png")
        ]
        check_pairs(tmp_path / "out" / split, ids)
    assert prepared.names in (None, ["background", "red", "blue"])


def test_copies_of_labels_for_people_are_left_aside(tmp_path):
    """EISeg writes three files into the folder `label` of the images."""
    files = laid_out({"{n}.png": image, "label/{n}.png": label})
    files.update(laid_out({"label/{n}_pseudo.png": image, "label/{n}_cutout.png": image}))
    _, notes = prepare_export(tmp_path, files, val_percent=0)
    assert "label: 8 files, neither taken as images nor as labels" in notes
    check_pairs(tmp_path / "out/train", [str(n) for n in range(4)])


def test_labels_in_one_folder_of_images_of_one_name_are_refused(tmp_path):
    files = {f"images/{name}/a.png": image(n) for n, name in enumerate(("train", "val"))}
    with pytest.raises(InputError, match=r"images/val/a\.png: images/train/a\.png has the same"):
        prepare_export(tmp_path, {**files, "masks/a.png": label(0)})


DAVIS = "/JPEGImages/{size}/bear/{n}.png /Annotations/{size}/bear/{n}.png\n"


def test_davis(tmp_path):
    """Its lists have two columns, one folder of them for each size; labels are in Annotations."""
    files = {}
    for size, add in (("1080p", 4), ("480p", 0)):
        for name, numbers in SETS.items():
            lines = [DAVIS.format(size=size, n=n + add) for n in numbers]
            files[f"DAVIS/ImageSets/{size}/{name}.txt"] = "".join(lines)
            for n in numbers:
                files[f"DAVIS/JPEGImages/{size}/bear/{n + add}.png"] = image(n + add)
                files[f"DAVIS/Annotations/{size}/bear/{n + add}.png"] = label(n + add)
    _, notes = prepare_export(tmp_path, files)
    check_pairs(tmp_path / "out/train", ["4", "5"])
    check_pairs(tmp_path / "out/val", ["6", "7"])
    assert any("DAVIS/ImageSets/480p/train (2 pairs)" in line for line in notes)


def test_masks_in_vocs_annotations_are_asked_for(tmp_path):
    files = laid_out({"JPEGImages/{n}.png": image, "Annotations/{n}.png": label})
    files.update({"ImageSets/2017/train.txt": "0\n1\n", "ImageSets/2017/val.txt": "2\n3\n"})
    words = r"Annotations/0\.png is one, choose its folder with label_folder='Annotations'"
    with pytest.raises(InputError, match=words):
        prepare_export(tmp_path, files)
    prepare_export(tmp_path, files, label_folder="Annotations")
    check_pairs(tmp_path / "out/train", ["0", "1"])


@pytest.mark.parametrize("names", [{"background": 0, "red": 1, "blue": 2}, None])
def test_nnunet(tmp_path, names):
    old = {"0": "background", "1": "red", "2": "blue"}
    files = laid_out({"imagesTr/c_{n}_0000.png": image, "labelsTr/c_{n}.png": label})
    files["imagesTs/c_9_0000.png"] = image(9)
    files["dataset.json"] = json.dumps({"labels": names or old, "numTraining": 4})
    prepared, _ = prepare_export(tmp_path, files, sets=["train"], val_percent=0)
    assert prepared.names == ["background", "red", "blue"]
    check_pairs(tmp_path / "out/train", [f"c_{n}_0000" for n in range(4)])


RETINA = {
    "{set}/images/{n:02}_{set}.png": image,
    "{set}/1st_manual/{n:02}_manual1.png": mask,
    "{set}/mask/{n:02}_{set}_mask.png": lambda _: encoded(np.full((20, 30), 255, np.uint8)),
}
AERIAL = {
    "{set}/images/P{n}.png": image,
    "{set}/Semantic_masks/images/P{n}_instance_color_RGB.png": label,
    "{set}/Instance_masks/images/P{n}_instance_id_RGB.png": image,
}
STREETS = {
    "{set}/images/{n}.png": image,
    "{set}/v1.2/labels/{n}.png": lambda number: label(number + 9),
    "{set}/v2.0/labels/{n}.png": label,
}


@pytest.mark.parametrize(
    ("templates", "words", "chosen"),
    [
        # The mask of DRIVE, HRF and others is the field of view
        (RETINA, "several folders that may hold the labels, 1st_manual, mask", "1st_manual"),
        (AERIAL, "several folders .* Instance_masks, Semantic_masks", "Semantic_masks"),
        (STREETS, r"v2.0/labels/0.png: may be the label of the same image", "v2.0/labels"),
    ],
)
def test_the_folder_of_the_labels_is_asked_for(tmp_path, templates, words, chosen):
    files = laid_out(templates)
    with pytest.raises(InputError, match=words):
        prepare_export(tmp_path, files)
    colours = BINARY if templates is RETINA else None
    prepare_export(tmp_path, files, label_folder=chosen, colours=colours)
    meaning = (0, 1, 0) if templates is RETINA else (0, 1, 2)
    name = {"train": "{n:02}_{s}", "val": "{n:02}_{s}"} if templates is RETINA else {}
    for split, numbers in SETS.items():
        form = name.get(split, "P{n}" if templates is AERIAL else "{n}")
        ids = [form.format(n=number, s=split) for number in numbers]
        check_pairs(tmp_path / "out" / split, ids, meaning)


def test_two_kinds_of_labels_of_one_image_are_named(tmp_path):
    files = laid_out(
        {
            "images/{set}/{n}.png": image,
            "annotations/{set}/{n}.png": label,
            "annotations/{set}/{n}_labelTrainIds.png": label,
        }
    )
    with pytest.raises(InputError, match=r"0_labelTrainIds\.png: may be the label of the same"):
        prepare_export(tmp_path, files)


# What masks of single classes or objects are called
MASKS = {
    "CelebAMask-HQ": {
        "img/{n}.png": image,
        "mask-anno/0/{n:05}_hair.png": mask,
        "mask-anno/0/{n:05}_skin.png": lambda number: mask(number, 2),
    },
    "nuclei": {
        "{n}ab/images/{n}ab.png": image,
        "{n}ab/masks/f{n}01.png": mask,
        "{n}ab/masks/f{n}02.png": lambda number: mask(number, 2),
    },
    "a folder per class": {
        "images/{n}.png": image,
        "masks/red/{n}.png": mask,
        "masks/blue/{n}.png": lambda number: mask(number, 2),
    },
    "names of classes": {
        "images/im{n}.png": image,
        "masks/im{n}_red.png": mask,
        "masks/im{n}_blue.png": lambda number: mask(number, 2),
    },
    "BUSI": {
        "benign/benign ({n}).png": image,
        "benign/benign ({n})_mask.png": mask,
        "benign/benign ({n})_mask_1.png": lambda number: mask(number, 2),
    },
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_of_single_classes_are_named(tmp_path, name):
    words = "one label with all classes is expected: combine .* file of class indices.*, 0 where no"
    with pytest.raises(InputError, match=words):
        prepare_export(tmp_path, laid_out(MASKS[name]), val_percent=25)


def test_masks_are_combined_as_the_docs_say(tmp_path, monkeypatch, repo):
    text = (repo / "docs/data.md").read_text(encoding="utf-8")
    section = text.partition("### A mask per class\n")[2]
    monkeypatch.chdir(tmp_path)
    for folder in ("images", "labels", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(2):
        (tmp_path / f"images/{number}.png").write_bytes(image(number))
        for class_, word in enumerate(("skin", "hair"), 1):
            (tmp_path / f"masks/{number}_{word}.png").write_bytes(mask(number, class_))
    exec(section.partition("```python\n")[2].partition("```")[0], {})
    check_pairs(tmp_path, ["0", "1"])


ADE20K = {
    "images/training/s/street/ADE_train_0000000{n}.jpg": lambda number: image(number, "JPEG"),
    "images/training/s/street/ADE_train_0000000{n}_seg.png": lambda number: ade20k(number),
    "images/training/s/street/ADE_train_0000000{n}_parts_1.png": lambda number: ade20k(number),
    "images/training/s/street/ADE_train_0000000{n}_atr.txt": lambda number: "001 # 0 # 0 # sky\n",
}


def ade20k(number):
    """A label whose class is R / 10 * 256 + G, and whose object is B."""
    index = truth(number).astype(int) * 400
    channels = (index // 256 * 10, index % 256, truth(number))
    return encoded(np.stack(channels, axis=2).astype(np.uint8))


def test_labels_of_all_classes_of_ade20k_say_what_to_take(tmp_path):
    words = r"ADE_train_0000000\d_seg\.png: seems to be .*ADE20K.*ADEChallengeData2016"
    with pytest.raises(InputError, match=words):
        prepare_export(tmp_path, laid_out(ADE20K, {"train": (0, 1)}), val_percent=0)
    (tmp_path / "ADE_val_00000001_seg.png").write_bytes(ade20k(0))
    with pytest.raises(InputError, match="R / 10 \\* 256"):
        read_label(tmp_path / "ADE_val_00000001_seg.png")
    pair = tmp_path / "ADE_val_00000001.jpg", tmp_path / "ADE_val_00000001_seg.png"
    pair[0].write_bytes(image(0, "JPEG"))
    entries = [Entry("ADE_val_00000001", *map(str, pair))]
    assert list(check_entries(lambda: entries).problems) == ["the whole ADE20K"]
    # Those of scene parsing have such names, too, and colours for people go past 150.
    (tmp_path / "ADE_val_00000001.png").write_bytes(label(0))
    assert np.array_equal(read_label(tmp_path / "ADE_val_00000001.png"), truth(0))
    (tmp_path / "ADE_val_00000001.png").write_bytes(image(0))
    with pytest.raises(InputError, match="pass colours"):
        read_label(tmp_path / "ADE_val_00000001.png")


def test_folders_that_are_left_aside_are_named(tmp_path):
    files = laid_out({"{n}/rgb/a{n}.png": image, "{n}/label/a{n}.png": label})
    files.update({"0/depth/a0.png": image(0), "0/depth/a1.png": image(1)})
    _, notes = prepare_export(tmp_path, files, val_percent=0)
    assert "0/depth: 2 files, neither taken as images nor as labels" in notes
    check_pairs(tmp_path / "out/train", [f"{number}/a{number}" for number in range(4)])


def test_names_with_brackets_keep_them(tmp_path):
    files = laid_out({"b ({n}).png": image, "b ({n})_mask.png": label})
    prepare_export(tmp_path, files, val_percent=0)
    check_pairs(tmp_path / "out/train", [f"b ({number})" for number in range(4)])


def test_vocs_other_folders_of_labels_are_noted(tmp_path):
    files = laid_out({"JPEGImages/{n}.png": image, "SegmentationClass/{n}.png": label})
    files.update(laid_out({"SegmentationClassAug/{n}.png": lambda number: label(number + 1)}))
    _, notes = prepare_export(tmp_path, files, val_percent=0)
    assert "SegmentationClassAug: other labels, left out" in notes
    check_pairs(tmp_path / "out/train", [str(number) for number in range(4)])


def photo(number):
    """Image `number` as a JPEG whose blocks of 5 x 5 keep their colours."""
    file = io.BytesIO()
    Image.fromarray(SHADES[truth(number)]).save(file, "JPEG", quality=100, subsampling=0)
    return file.getvalue()


BESIDE = {
    "PNGs of JPEGs": ({"{n}.jpg": photo, "{n}.png": label}, "{n}"),
    "beginnings": ({"img_{n}.png": image, "mask_{n}.png": label}, "img_{n}"),
}


@pytest.mark.parametrize("name", BESIDE)
def test_labels_beside_their_images(tmp_path, name):
    templates, id_ = BESIDE[name]
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    prepare_export(tmp_path / "one", laid_out(templates), "zip", val_percent=0)
    check_pairs(tmp_path / "one/out/train", [id_.format(n=n) for n in range(4)])
    in_sets = laid_out({f"{{set}}/{path}": make for path, make in templates.items()})
    prepare_export(tmp_path / "two", in_sets, "zip")
    check_pairs(tmp_path / "two/out/val", [id_.format(n=n) for n in (2, 3)])


@pytest.mark.parametrize(
    "more",
    [{"other.png": image(1)}, {"0.tif": image(0, "TIFF")}, {"depth_0.jpg": image(0, "JPEG")}],
)
def test_files_that_are_not_all_pairs_are_not_guessed(tmp_path, more):
    with pytest.raises(InputError, match="is not in any known layout"):
        prepare_export(tmp_path, {**laid_out(BESIDE["PNGs of JPEGs"][0]), **more}, val_percent=0)


def test_the_sets_that_an_error_suggests_are_in_their_order(tmp_path):
    sets = {"test": (0, 1), "train": (2, 3)}
    templates = {"images/{set}/{n}.png": image, "labels/{set}/{n}.png": label}
    with pytest.raises(InputError, match=r"sets=\['train', 'test'\]"):
        prepare_export(tmp_path, laid_out(templates, sets))
