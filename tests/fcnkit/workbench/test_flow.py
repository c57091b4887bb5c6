"""From a folder to masks through the pages and DIGITS' routes, and what they say on the way."""

import io
import json
import os
import tarfile

import numpy as np
import pytest
from PIL import Image
from tiny_segmentation import CLASSES, net_text, write_dataset

from caffeformat import LmdbWriter, pb
from fcnkit.commands import main
from fcnkit.images import read_label
from fcnkit.inference import ConfusionMatrix


@pytest.mark.slow
def test_the_dataset_as_json_and_on_its_page(trained):
    found = trained.get(f"/datasets/{trained.dataset}.json").get_json()
    assert (found["name"], found["status"]) == ("squares", "Done")
    assert found["classes"] == CLASSES and found["images"] == {"train": 8, "val": 3}
    page = trained.get(f"/datasets/{trained.dataset}").text
    assert "The check found no problems" in page and "Train a model on it" in page
    for name in CLASSES:
        assert name in page


def test_explore_by_class_and_share(trained):
    address = f"/datasets/{trained.dataset}/explore"
    assert trained.get(address).text.count("<figure>") == 8
    assert trained.get(address + "?size=3&page=3").text.count("<figure>") == 2
    assert trained.get(address + "?split=val&class=1&sort=share").text.count("<figure>") == 3
    assert trained.get(address + "?split=other").status_code == 404
    assert trained.get(address + "?class=999&page=-4&size=x&sort=y").status_code == 200
    answer = trained.get(f"/datasets/generic/explore?job_id={trained.dataset}&db=val_db/features")
    assert answer.status_code == 302 and "split=val" in answer.location


def test_pictures_are_the_datasets_pixels(trained):
    address = f"/datasets/{trained.dataset}/pictures/val/1"
    mask = Image.open(io.BytesIO(trained.get(address + "/mask").data))
    label = read_label(str(trained.data / "squares" / "val" / "labels" / "val_1.png"))
    assert mask.mode == "P" and np.array_equal(np.asarray(mask), label)
    answer = trained.get(address + "/image?side=16")
    assert max(Image.open(io.BytesIO(answer.data)).size) == 16
    etag = {"If-None-Match": answer.headers["ETag"]}
    assert trained.get(address + "/image?side=16", headers=etag).status_code == 304
    assert trained.get(address + "/other").status_code == 404
    assert trained.get(f"/datasets/{trained.dataset}/pictures/val/3/mask").status_code == 404
    assert "val_1" in trained.get(f"/datasets/{trained.dataset}/entries/val/1").text


def test_the_model_its_curves_and_snapshots(trained):
    found = trained.get(f"/models/{trained.model}.json").get_json()
    assert found["status"] == "Done" and found["snapshots"] == [1, 2]
    assert found["dataset_id"] == trained.dataset
    assert 0 <= found["mean_iou"] <= 1
    live = trained.get(f"/models/{trained.model}/live.json").get_json()
    assert live["iterations"][-1] == 8 and len(live["curves"]["loss"]) == len(live["iterations"])
    after = trained.get(f"/models/{trained.model}/live.json?after=7").get_json()
    assert after["iterations"] == [8]
    page = trained.get(f"/models/{trained.model}").text
    assert "best" in page and "DIGITS archive" in page
    assert trained.get(f"/models/{trained.model}/network.svg").mimetype == "image/svg+xml"
    assert trained.get(f"/jobs/{trained.model}/status").get_json()["status"] == "Done"


def test_home_lists_both(trained):
    page = trained.get("/").text
    assert "squares" in page and "a model" in page
    assert "a model" not in trained.get("/?q=nothing").text
    for sort in ("name", "-score", "state", "nonsense"):
        assert trained.get(f"/?sort={sort}").status_code == 200
    found = trained.get("/index.json").get_json()
    assert [each["id"] for each in found["models"]] == [trained.model]


def _image(trained, name="val_0"):
    return str(trained.data / "squares" / "val" / "images" / f"{name}.png")


def test_the_mask_is_infers_index_for_index(trained, tmp_path):
    with open(_image(trained), "rb") as file:
        sent = {"job_id": trained.model, "image_file": (file, "val_0.png")}
        answer = trained.post("/models/images/generic/infer_one.png", sent)
    run = trained.jobs.path(trained.model, "run")
    arguments = [_image(trained), "-o", str(tmp_path / "out"), "--run", run]
    assert main.run_module("fcnkit.commands.infer", arguments) == 0
    ours, theirs = Image.open(io.BytesIO(answer.data)), Image.open(tmp_path / "out" / "val_0.png")
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))
    assert ours.getpalette() == theirs.getpalette()
    path = {"job_id": trained.model, "image_path": "squares/val/images/val_0.png"}
    scores = trained.post("/models/images/generic/infer_one.json", path).get_json()["outputs"]
    scores = np.array(scores["score"])
    assert np.array_equal(scores[0].argmax(0), np.asarray(theirs))
    runs = trained.post("/models/images/generic/infer_one.json?form=rle", path).get_json()
    mask = np.full(runs["height"] * runs["width"], 99)
    for each in runs["classes"]:
        place = 0
        for number, count in enumerate(each["counts"]):
            if number % 2:
                mask[place : place + count] = each["index"]
            place += count
        assert place == mask.size
    mask = mask.reshape((runs["height"], runs["width"]), order="F")
    assert np.array_equal(mask, np.asarray(theirs))


def test_a_test_of_the_dataset_on_its_page(trained):
    answer = trained.post(
        "/models/images/generic/infer_dataset",
        {"job_id": trained.model, "split": "val", "num_test_images": "3"},
    )
    assert answer.status_code == 303
    page = trained.get(answer.location).text
    assert page.count("data-viewer") == 3 and "mean IoU" in page and "data-truth" in page
    mask = trained.get(answer.location + "/0_mask.png?download=1")
    assert "val_0_mask.png" in mask.headers["Content-Disposition"]
    assert trained.get(answer.location + "/masks.zip").data[:2] == b"PK"
    for name in ("results.json", "../x", "9_mask.png", "0_mask.png.x"):
        assert trained.get(f"{answer.location}/{name}").status_code == 404


def test_many_by_upload_list_and_folder(trained):
    listed = "squares/val/images/val_0.png 0\nsquares/val/images/val_1.png\n"
    sent = {"job_id": trained.model, "image_list": (io.BytesIO(listed.encode()), "list.txt")}
    found = trained.post("/models/images/generic/infer_many.json", sent).get_json()["outputs"]
    assert len(found) == 2 and set(next(iter(found.values()))) == {"score"}
    sent = {"job_id": trained.model, "image_folder": "squares/val/images"}
    answer = trained.post("/models/images/generic/infer_many", sent)
    assert trained.get(answer.location).text.count("data-viewer") == 3
    sent = {"job_id": trained.model, "image_files": [(io.BytesIO(b"none"), "a.png")]}
    assert trained.post("/models/images/generic/infer_many", sent).status_code == 400
    database = f"{trained.jobs.folder}/{trained.dataset}/data/val_db/features"
    sent = {"job_id": trained.model, "db_path": database}
    answer = trained.post("/models/images/generic/infer_db.json", sent)
    assert answer.status_code == 400 and "may be named" in answer.get_json()["error"]


def test_a_database_is_tested_as_a_page(trained):
    with open(trained.data / "squares/val/images/val_1.png", "rb") as file:
        image = file.read()
    with LmdbWriter(str(trained.data / "shown")) as database:
        for number in range(3):
            datum = pb.Datum(encoded=True, data=image) if number else pb.Datum(data=b"<b>")
            database.put(b"<%03d>" % number, datum.SerializeToString())
    sent = {"job_id": trained.model, "db_path": "shown"}
    for route in ("infer_many", "infer_db"):
        answer = trained.post(f"/models/images/generic/{route}", sent)
        page = trained.get(answer.location).text
        assert page.count("data-viewer") == 2 and "&lt;000&gt;" in page and "<000>" not in page
    as_json = {"headers": {"Accept": "application/json"}}
    answer = trained.post("/models/images/generic/infer_db", {**sent, "db_path": ""}, **as_json)
    assert answer.status_code == 400 and answer.get_json()["error"].startswith("db_path: expected")
    for named, words in (("", "expected the path of a database"), ("squares", "not a LMDB")):
        answer = trained.post(
            "/models/images/generic/infer_db",
            {"job_id": trained.model, "db_path": named},
            headers={"Accept": "text/html"},
        )
        assert answer.status_code == 400
        field = answer.text.split('name="db_path"')[1].split("</div>")[0]
        assert 'aria-invalid="true"' in field and words in field


def test_masks_at_each_snapshot(trained):
    address = f"/models/{trained.model}/masks"
    page = trained.get(address).text
    assert address in trained.get(f"/models/{trained.model}").text
    assert page.count("val_") >= 3 and "epoch 1<" in page and "epoch 2<" in page
    scores = [float(part.split("%")[0]) for part in page.split("mean IoU ")[1:]]
    assert scores == sorted(scores)
    last = trained.jobs.path(trained.model, "masks")
    for iteration in (4, 8):
        for number in range(3):
            answer = trained.get(f"{address}/{iteration}/val/{number}.jpg")
            shown = np.asarray(Image.open(io.BytesIO(answer.data)))
            assert shown.shape == (24, 32, 3)
            with open(os.path.join(last, f"{iteration}_val_{number}.json")) as file:
                found = json.load(file)["mean_iou"]
            with Image.open(trained.data / "squares/val/labels" / f"val_{number}.png") as label:
                matrix = ConfusionMatrix(3, 255)
                sent = {"job_id": trained.model, "entry": f"val:{number}",
                        "snapshot_epoch": f"i{iteration}"}  # fmt: skip
                mask = trained.post("/models/images/generic/infer_one.png", sent)
                mask = np.asarray(Image.open(io.BytesIO(mask.data)))
                matrix.update(mask, np.asarray(label), "x")
            assert found == pytest.approx(float(matrix.mean_iou))
    for wrong in ("5/val/0", "4/train/0", "4/val/7", "4/x/0"):
        assert trained.get(f"{address}/{wrong}.jpg").status_code == 404


def test_answers_with_scores_say_what_they_leave_out(trained):
    listed = b"squares/val/images/val_0.png\n" * 25
    sent = {"job_id": trained.model, "image_list": (io.BytesIO(listed), "list.txt")}
    answer = trained.post("/models/images/generic/infer_many.json", sent).get_json()
    assert len(answer["outputs"]) == 20 and answer["left_out"] == 5
    assert "first 20 images; 5 more" in answer["note"]
    with open(trained.data / "squares/val/images/val_1.png", "rb") as file:
        image = file.read()
    uploads = [(io.BytesIO(image), "same.png") for _ in range(3)]
    sent = {"job_id": trained.model, "image_files": uploads}
    answer = trained.post("/models/images/generic/infer_many.json", sent).get_json()
    assert list(answer["outputs"]) == ["same.png", "same.png (2)", "same.png (3)"]
    assert answer["left_out"] == 0 and "note" not in answer
    with LmdbWriter(str(trained.data / "many")) as database:
        for number in range(23):
            datum = pb.Datum(encoded=True, data=image)
            database.put(b"%03d" % number, datum.SerializeToString())
    sent = {"job_id": trained.model, "db_path": "many"}
    answer = trained.post("/models/images/generic/infer_db.json", sent).get_json()
    assert next(iter(answer["outputs"])) == "000" and len(answer["outputs"]) == 20
    assert answer["left_out"] == 3


def test_the_digits_archive_is_one(trained, tmp_path):
    answer = trained.get(f"/models/{trained.model}/download.tar.gz?snapshot_epoch=1")
    (tmp_path / "model.tar.gz").write_bytes(answer.data)
    with tarfile.open(tmp_path / "model.tar.gz") as archive:
        info = json.load(archive.extractfile("info.json"))
        assert archive.extractfile("labels.txt").read().decode().split() == CLASSES
    assert info["snapshot file"] == "snapshot_iter_4.caffemodel"
    arguments = [_image(trained), "-o", str(tmp_path / "out"), "--digits-model"]
    arguments.append(str(tmp_path / "model.tar.gz"))
    assert main.run_module("fcnkit.commands.infer", arguments) == 0
    for ending in ("caffemodel", "zip", "tar"):
        assert trained.get(f"/models/{trained.model}/download.{ending}").status_code == 200
    assert trained.get(f"/models/{trained.model}/download.exe").status_code == 404
    assert trained.get(f"/models/{trained.model}/download?snapshot_epoch=7").status_code == 400


def test_compare(trained):
    assert trained.get(f"/compare?model={trained.model}").status_code == 400
    place = f"{trained.model}/{trained.model}/val/0"
    found = trained.get(f"/compare/agreement/{place}.json").get_json()
    assert found["equal"] == 1
    for kind in ("first", "difference"):
        assert trained.get(f"/compare/pictures/{place}/{kind}").mimetype.startswith("image/")


def test_findings_are_shown_before_anything_is_written(site):
    write_dataset(str(site.data / "squares"))
    os.remove(site.data / "squares" / "train" / "labels" / "train_0.png")
    fields = {"source": "squares", "dsopts_num_threads": "1"}
    id_ = site.post("/datasets/generic/create/images.json", fields).get_json()["id"]
    assert site.take(id_) == "paused"
    assert not os.path.exists(site.jobs.path(id_, "data"))
    page = site.get(f"/datasets/{id_}").text
    assert "image without label" in page and "Write it anyway" in page
    assert "label or remove them" in page
    (problem,) = site.get(f"/datasets/{id_}.json").get_json()["problems"]
    assert problem["advice"] == "label or remove them"
    asked = site.get(f"/jobs/{id_}/status").get_json()
    assert asked["status"] == "Initialized" and "/resume writes" in asked["question"]
    address, _, place = asked["question_url"].partition("#")
    assert address == f"/datasets/{id_}" and f'id="{place}"' in page
    for each in (site.get(f"/datasets/{id_}.json").get_json(),
                 site.get("/index.json").get_json()["datasets"][0]):  # fmt: skip
        assert each["question"] == asked["question"] and each["status"] == "Initialized"
    link = f'href="{asked["question_url"]}">waits for your answer</a>'
    (row,) = site.get(f"/rows.json?ids={id_}").get_json()["rows"]
    assert link in site.get("/").text and link in row["html"]
    assert site.get(f"/jobs/{id_}/live.json").get_json()["name"] == "waits for your answer"
    assert site.post(f"/jobs/{id_}/resume").get_json()["status"] == "Waiting"
    assert site.post(f"/jobs/{id_}/resume").status_code == 400


def test_errors_of_forms_are_at_their_fields(site):
    def create(**fields):
        return site.post("/datasets/generic/create/images.json", fields)

    assert set(create().get_json()["errors"]) == {"source"}
    assert set(create(source="/etc/passwd").get_json()["errors"]) == {"source"}
    assert set(create(feature_folder=".").get_json()["errors"]) == {"label_folder"}
    assert set(create(source=".", folder_pct_val="x").get_json()["errors"]) == {"folder_pct_val"}
    assert set(create(source=".", class_labels="a\na").get_json()["errors"]) == {"class_labels"}
    assert create(source=".").status_code == 200  # whatever it is, the job says so
    assert site.post("/datasets/generic/create/other.json").status_code == 400
    answer = site.post("/models/images/generic.json", {"train_epochs": "-1", "lr_policy": "x"})
    assert set(answer.get_json()["errors"]) == {"train_epochs", "lr_policy"}
    answer = site.post("/models/images/generic.json", {"dataset": "", "learning_rate": "0.1"})
    assert set(answer.get_json()["errors"]) == {"dataset"}
    assert not [job for job, _ in site.jobs.all() if job.kind == "model"]
    folders = [name for name in os.listdir(site.jobs.folder) if name[0].isdigit()]
    assert len(folders) == 1  # refused forms leave none


def test_a_sweep_makes_a_job_for_each_rate(trained):
    fields = {"dataset": trained.dataset, "custom_network": net_text(), "train_epochs": "1"}
    answer = trained.post("/models/images/generic.json", {**fields, "learning_rate": "[0.1, 0.01]"})
    made = answer.get_json()["jobs"]
    try:
        assert len(made) == 2 and made[0]["name"] != made[1]["name"]
        wrong = trained.post("/models/images/generic.json", {**fields, "custom_network": "layer {"})
        assert "custom_network" in wrong.get_json()["errors"]
    finally:
        for each in made:
            trained.post(f"/jobs/{each['id']}/abort")
            trained.client.delete(f"/jobs/{each['id']}", base_url="http://127.0.0.1:5000")


def test_rename_notes_trash(site):
    write_dataset(str(site.data / "squares"))
    answer = site.post("/datasets/generic/create/images.json", {"source": "squares"})
    id_ = answer.get_json()["id"]
    local = {"base_url": "http://127.0.0.1:5000"}
    names = {"job_name": "<b>new</b>", "job_notes": "why"}
    assert site.client.put(f"/jobs/{id_}", data=names, **local).get_json()["name"] == "<b>new</b>"
    assert "&lt;b&gt;new&lt;/b&gt;" in site.get("/").text
    assert site.post(f"/jobs/{id_}/delete").status_code == 400  # it waits
    assert site.post(f"/jobs/{id_}/abort").get_json()["status"] == "Aborted"
    assert site.post(f"/jobs/{id_}/abort").status_code == 403
    assert site.client.delete(f"/jobs/{id_}", **local).status_code == 200
    assert site.get(f"/datasets/{id_}").status_code == 404
    assert "new" in site.get("/trash").text
    site.post(f"/trash/{id_}/restore")
    assert site.get(f"/datasets/{id_}").status_code == 200


def test_layers_as_pictures_and_numbers(trained):
    page = trained.get(f"/models/{trained.model}/layers?entry=val:1").text
    assert "val_1" in page and page.count("<svg") >= 6 and "data:image/png" in page
    assert "score" in page and "bias" in page
    assert trained.get(f"/models/{trained.model}/layers?entry=none:1").status_code == 400
    long = "9" * 5000
    page = trained.get(f"/models/{trained.model}/layers?entry=val:{long}")
    assert page.status_code == 200  # that of the first image
    sent = {"job_id": trained.model, "split": "val", "num_test_images": long}
    assert trained.post("/models/images/generic/infer_dataset", sent).status_code == 400
    sent = {"job_id": trained.model, "entry": f"val:{long}"}
    assert trained.post("/models/images/generic/infer_one", sent).status_code == 400
