"""What a new dataset's form writes: the job's commands, for each kind of source."""

import io
import os
import shutil

import pytest
from PIL import Image
from tiny_segmentation import CLASSES, write_dataset

from fcnkit.jobs import State


@pytest.fixture
def squares(site):
    """The folder `squares` under the workbench's data."""
    write_dataset(str(site.data / "squares"), train=2, val=1)
    return site.data / "squares"


def create(site, **fields):
    """Ask for a dataset; returns its job, or the errors of its form."""
    answer = site.post("/datasets/generic/create/images.json", fields).get_json()
    return answer["errors"] if "errors" in answer else site.jobs.get(answer["id"])[0]


def commands(job):
    return [" ".join(step.arguments) for step in job.steps]


def test_folders_are_checked_and_written_as_the_form_says(site, squares):
    job = create(
        site, source="squares", dsopts_feature_encoding="jpg", dsopts_label_encoding="none",
        channel_conversion="L", dsopts_force_same_shape="1", dsopts_shuffle="1",
        dsopts_num_threads="3", folder_pct_val="40",
    )  # fmt: skip
    check, write = commands(job)
    assert check.startswith(f"check_dataset {squares} ") and check.endswith("--workers 3")
    assert write.startswith(f"create_lmdb {squares} -o data --force ")
    for option in ("--encoding jpeg", "--label-encoding raw", "--image-channels grey",
                   "--same-shape", "--shuffle", "--workers 3"):  # fmt: skip
        assert option in write
    assert "--val-percent" not in write  # the folder has its own validation images
    assert job.steps[0].pause_on and not job.steps[0].accept_on  # it asks about findings


def test_findings_may_be_accepted_beforehand(site, squares):
    job = create(site, source="squares", accept_findings="y")
    assert not job.steps[0].pause_on and job.steps[0].accept_on


def test_a_share_is_taken_where_the_source_has_no_validation_images(site, squares):
    shutil.rmtree(squares / "val")
    assert "--val-percent 40" in commands(create(site, source="squares", folder_pct_val="40"))[1]
    assert "--val-percent" not in commands(create(site, source="squares"))[1]


def test_an_archive_is_extracted_before_it_is_checked(site, squares):
    archive = shutil.make_archive(str(site.data / "squares"), "zip", squares)
    fields = {"source": "squares.zip", "class_labels": "\n".join(CLASSES), "folder_pct_val": "0"}
    job = create(site, **fields)
    extract, check, write = commands(job)
    assert extract.startswith(f"prepare_data {archive} images --force --classes classes.txt")
    assert extract.endswith("--val-percent 0")
    assert check.startswith("check_dataset images ") and "--classes classes.txt" in check
    assert write.startswith("create_lmdb images ") and "--classes classes.txt" in write
    with open(site.jobs.path(job.id, "classes.txt")) as file:
        assert file.read().split() == CLASSES
    assert job.name == "squares"


def test_a_folder_whose_sets_have_other_names_is_prepared(site, squares):
    (squares / "val").rename(squares / "valid")
    prepare, check, write = commands(create(site, source="squares"))
    assert prepare.startswith(f"prepare_data {squares} images --force")
    assert check.startswith("check_dataset images ") and write.startswith("create_lmdb images ")


def test_images_and_labels_in_two_folders(site, squares):
    fields = {
        "feature_folder": "squares/train/images",
        "label_folder": "squares/train/labels",
        "validation_feature_folder": "squares/val/images",
        "validation_label_folder": "squares/val/labels",
        "class_labels_file": "squares/classes.txt",
        "dsopts_num_threads": "1",
    }
    job = create(site, **fields)
    check, write = commands(job)
    assert check.startswith("check_dataset images ") and write.startswith("create_lmdb images ")
    assert site.take(job.id) == "done"
    facts = site.get(f"/datasets/{job.id}.json").get_json()
    assert facts["name"] == job.name and facts["images"] == {"train": 2, "val": 1}
    page = site.get(f"/datasets/{job.id}").text
    assert all(name in page for name in CLASSES)
    fields["validation_label_folder"] = ""
    assert set(create(site, **fields)) == {"validation_label_folder"}
    assert set(create(site, label_folder="squares/train/labels")) == {"feature_folder"}


def test_validation_images_are_checked_and_keep_their_own_lines(site, squares):
    """Named like training images, and with a finding of their own."""
    for part in ("images", "labels"):
        (name,) = os.listdir(squares / "val" / part)
        (squares / "val" / part / name).rename(squares / "val" / part / "train_0.png")
    label = Image.open(squares / "val/labels/train_0.png")
    half = Image.new("L", label.size, 0)
    half.paste(1, (0, 0, label.width // 2, label.height))
    half.save(squares / "val/labels/train_0.png")
    with open(squares / "val/images/bad.png", "wb") as file:
        file.write(b"no image")
    Image.new("L", label.size, 0).save(squares / "val/labels/bad.png")
    job = create(
        site,
        feature_folder="squares/train/images",
        label_folder="squares/train/labels",
        validation_feature_folder="squares/val/images",
        validation_label_folder="squares/val/labels",
        class_labels="\n".join(CLASSES),
        dsopts_num_threads="1",
    )
    assert site.take(job.id) == "paused"
    problems = site.get(f"/datasets/{job.id}.json").get_json()["problems"]
    assert {each["part"] for each in problems} == {"val"}
    os.remove(squares / "val/images/bad.png")
    os.remove(squares / "val/labels/bad.png")
    site.jobs.write(job.id, State("waiting"))
    assert site.take(job.id) == "done"
    folder = site.jobs.path(job.id)
    opened = site.bench.datasets.get(os.path.join(folder, "data"), folder)
    assert list(opened.shares("val", 1)) == [0.5]
    assert 0 < opened.shares("train", 1)[0] < 0.5


def test_databases_that_are_there_stay_where_they_are(site, squares):
    made = create(site, source="squares", dsopts_num_threads="1")
    assert site.take(made.id) == "done"
    shutil.copytree(site.jobs.path(made.id, "data"), site.data / "written")
    job = create(site, source="written", dsopts_num_threads="1")
    (check,) = commands(job)
    assert check.startswith(f"check_dataset {site.data / 'written'} ")
    assert not job.steps[0].pause_on  # nothing is written, so there is nothing to ask
    assert site.take(job.id) == "done"
    before, after = (site.get(f"/datasets/{each.id}.json").get_json() for each in (made, job))
    for key in ("classes", "images", "problems"):
        assert after[key] == before[key]
    assert after["images"] == {"train": 2, "val": 1}
    assert not os.path.exists(site.jobs.path(job.id, "data"))


@pytest.mark.parametrize(
    ("fields", "name", "words"),
    [
        ({"source": "notes.txt"}, "source", "expected a folder or an archive"),
        ({"source": "none"}, "source", "none"),
        ({"source_file": (io.BytesIO(b"x"), "x.png")}, "source_file", "x.png: expected a folder"),
        ({"feature_folder": "none", "label_folder": "squares"}, "feature_folder", "none"),
        ({"source": "squares", "class_labels_file": "none"}, "class_labels_file", "none"),
        ({"source": "squares", "class_labels": "a\nb\na"}, "class_labels", "a"),
        ({"source": "squares", "colormap_text_file": "none"}, "colormap_text_file", "none"),
        ({"source": "squares", "colormap_text_file": "notes.txt"}, "colormap_text_file", "notes"),
    ],
)
def test_what_is_wrong_stands_at_its_field(site, squares, fields, name, words):
    (site.data / "notes.txt").write_text("no colours\n")
    errors = create(site, **fields)
    assert set(errors) == {name} and words in errors[name][0]
    assert not site.jobs.all()


def test_a_colour_map_by_name_or_by_file(site, squares):
    (site.data / "colours.txt").write_text("0 0 0 background\n255 0 0 red\n0 255 0 green\n")
    for given, expected in (("voc", "voc"), ("colours.txt", str(site.data / "colours.txt"))):
        check, write = commands(create(site, source="squares", colormap_text_file=given))
        assert f"--colour-map {expected}" in check and f"--colour-map {expected}" in write
