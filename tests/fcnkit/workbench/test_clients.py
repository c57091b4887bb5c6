"""What DIGITS' own clients send and expect: addresses, spellings, JSON where it is asked for."""

import json
import os
import shutil

import numpy as np
import pytest
from tiny_segmentation import CLASSES, net_text

from caffeformat import InputError, read_solver
from fcnkit.workbench import answers

JSON = {"Accept": "application/json"}
PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def add(site, kind="model", **more):
    return site.jobs.add(site.jobs.new_id(), kind, "x", "cpu", [], **more).id


@pytest.mark.parametrize("kind", ["dataset", "model"])
def test_jobs_have_addresses_by_their_kind(site, kind):
    id_ = add(site, kind)
    address = f"/{kind}s/{id_}"
    base = {"base_url": "http://127.0.0.1:5000"}
    assert site.get(f"{address}/status").get_json()["status"] == "Waiting"
    answer = site.client.put(address, data={"job_name": "y", "job_notes": "why"}, **base)
    assert answer.get_json()["name"] == "y" and site.jobs.get(id_)[0].notes == "why"
    assert site.post(f"{address}/abort").get_json()["status"] == "Aborted"
    assert site.client.delete(address, **base).status_code == 200
    assert site.jobs.get(id_) is None and site.jobs.trash_ids() == [id_]


def test_a_job_that_is_active_is_stopped_and_deleted(site):
    """DIGITS' clients delete what they have just made or aborted."""
    base = {"base_url": "http://127.0.0.1:5000"}
    id_ = add(site)
    assert site.post(f"/jobs/{id_}/delete").status_code == 400  # as the page's form asks
    assert site.client.delete(f"/models/{id_}", **base).status_code == 200
    assert site.jobs.get(id_) is None and site.jobs.trash_ids() == [id_]
    site.jobs.restore(id_)
    assert site.jobs.get(id_)[1].state == "aborted"


def test_pages_are_json_for_those_who_prefer_it(site):
    dataset, model = add(site, "dataset"), add(site)
    for page, twin in (
        ("/", "/index.json"),
        (f"/datasets/{dataset}", f"/datasets/{dataset}.json"),
        (f"/models/{model}", f"/models/{model}.json"),
    ):
        assert site.get(page, headers=JSON).get_json() == site.get(twin).get_json()
        assert site.get(page, headers=PAGE).mimetype == site.get(page).mimetype == "text/html"


@pytest.mark.parametrize("ending", ["", ".json"])
def test_a_dataset_of_databases_that_are_there(trained, ending):
    shutil.copytree(
        trained.jobs.path(trained.dataset, "data"), trained.data / "own", dirs_exist_ok=True
    )
    sent = {
        f"prebuilt_{split}_{kind}": f"own/{split}_db/{folder}"
        for split in ("train", "val")
        for kind, folder in (("images", "features"), ("labels", "labels"))
    }
    sent.update(dataset_name="own", class_labels="\n".join(CLASSES))
    answer = trained.post(f"/datasets/images/generic{ending}", sent)
    made = answer.get_json()
    assert (made["name"], made["status"]) == ("own", "Waiting")
    assert trained.take(made["id"]) == "done"
    found = trained.get(f"/datasets/{made['id']}.json").get_json()
    assert found["images"] == {"train": 8, "val": 3}
    assert found["classes"] == list(CLASSES)
    address = f"/datasets/{made['id']}/pictures/train/0/overlay"
    assert trained.get(address).mimetype.startswith("image/")
    trained.client.delete(f"/datasets/{made['id']}", base_url="http://127.0.0.1:5000")
    assert (trained.data / "own/train_db/features/data.mdb").exists()


@pytest.mark.parametrize(
    ("sent", "errors"),
    [
        ({}, {"prebuilt_train_images": "LMDB", "prebuilt_train_labels": "LMDB"}),
        ({"prebuilt_train_images": "/etc", "prebuilt_train_labels": "."},
         {"prebuilt_train_images": "there is no such", "prebuilt_train_labels": "data.mdb"}),
        ({"prebuilt_mean_file": "mean.binaryproto"}, {"prebuilt_mean_file": "not supported"}),
    ],
)  # fmt: skip
def test_databases_that_are_not_there(site, sent, errors):
    answer = site.post("/datasets/images/generic.json", sent)
    assert answer.status_code == 400
    found = answer.get_json()["errors"]
    assert list(found) == list(errors)
    assert all(words in found[name][0] for name, words in errors.items())
    assert not site.jobs.all() and len(os.listdir(site.jobs.folder)) == len(
        [name for name in os.listdir(site.jobs.folder) if not name[0].isdigit()]
    )


def test_digits_addresses_lead_to_our_pages(site):
    model, dataset = add(site), add(site, "dataset")
    for address, place in (
        ("/datasets/images/generic/new", "/datasets/new"),
        ("/datasets/generic/new", "/datasets/new"),
        ("/models/images/generic/new", "/models/new"),
        ("/models/images/generic/new/image-segmentation", "/models/new"),
        (f"/models/images/generic/large_graph?job_id={model}", f"/models/{model}"),
        (f"/datasets/images/generic/explore?job_id={dataset}", f"/datasets/{dataset}/explore"),
    ):
        answer = site.get(address)
        assert answer.status_code == 302 and answer.headers["Location"].startswith(place)
    assert site.get("/models/images/generic/large_graph").status_code == 404


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/datasets/images/classification.json", 404, "/datasets/generic/create/images.json"),
        ("/models/images/classification.json", 404, "/models/images/generic.json"),
        ("/models/images/classification/classify_one.json", 404, "/models/images/generic.json"),
        ("/models/images/generic/infer_extension.json", 400, "infer_one.json"),
    ],
)
def test_what_it_is_not_for_says_what_to_take(site, address, status, words):
    answer = site.post(address)
    assert answer.status_code == status and words in answer.get_json()["error"]


def test_errors_are_json_for_scripts_and_pages_for_people(site):
    base = {"base_url": "http://127.0.0.1:5000"}
    for answer in (
        site.client.delete("/jobs/x", **base),
        site.client.put("/jobs/x", **base),
        site.get("/jobs/x/status"),
        site.get("/datasets/x/status"),
        site.post("/models/x/abort"),
        site.post("/models/images/generic/infer_one.png", {"job_id": "x"}),
        site.get("/models/x", headers=JSON),
    ):
        assert answer.status_code == 404 and "x" in answer.get_json()["error"]
    for answer in (
        site.get("/models/x"),
        site.get("/models/x", headers=PAGE),
        site.post("/jobs/x/abort", headers=PAGE),
    ):
        assert answer.status_code == 404 and answer.mimetype == "text/html"


def test_a_change_says_what_changes(site):
    id_ = add(site)
    for sent in ({"json": {"job_name": "y"}}, {"data": {}}, {"data": {"job_name": " "}}):
        answer = site.client.put(f"/jobs/{id_}", base_url="http://127.0.0.1:5000", **sent)
        assert answer.status_code == 400 and "job_name" in answer.get_json()["error"]
    assert site.jobs.get(id_)[0].name == "x"


def test_a_wrong_method_says_which_are_right(site):
    answer = site.client.delete("/index.json", base_url="http://127.0.0.1:5000")
    assert answer.status_code == 405 and "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("prefers", [JSON, PAGE])
def test_what_the_system_refuses_is_told(site, monkeypatch, prefers):
    for error, status, words in (
        (OSError(28, "No space left on device"), 507, "No space left"),
        (FileNotFoundError(2, "No such file", "/secret"), 404, "deleted or moved"),
        (PermissionError(13, "Permission denied", "/secret"), 500, "Permission denied"),
    ):

        def fail(error=error):
            raise error

        monkeypatch.setattr(site.jobs, "trash_ids", fail)
        answer = site.get("/trash", headers=prefers)
        assert answer.status_code == status and words in answer.text
        assert "secret" not in answer.text
        assert answer.is_json == (prefers is JSON)


def test_spellings_of_digits_forms(trained):
    sent = {
        "dataset": trained.dataset,
        "custom_network": net_text(),
        "solver_type": "NESTEROV",
        "random_seed": str(0xCAFEBABE),
        "select_gpu": "next",
        "select_gpu_count": "1",
        "learning_rate": "0.0001234567890123",
    }
    answer = trained.post("/models/images/generic.json", sent).get_json()
    job = trained.jobs.get(answer["id"])[0]
    solver = read_solver(trained.jobs.path(job.id, "solver.prototxt"))
    assert (solver.type, solver.random_seed, job.lane) == ("Nesterov", 0xCAFEBABE, "cpu")
    # All digits, so that a clone trains as its original does.
    assert float(job.settings["learning_rate"]) == 0.0001234567890123
    trained.post(f"/models/{job.id}/abort")
    trained.client.delete(f"/models/{job.id}", base_url="http://127.0.0.1:5000")


@pytest.mark.parametrize(
    "address",
    ["datasets/generic/create/images", "datasets/images/generic", "models/images/generic"],
)
def test_forms_are_taken_with_a_slash_at_the_end(site, address):
    answer = site.post(f"/{address}/", {})
    assert answer.status_code == 400 and answer.get_json()["errors"]


def test_weights_of_a_previous_model_by_digits_numbers(trained):
    """-1 are those that it began with, 0 is none, both of which are no epochs."""

    def weights(previous, number):
        sent = {
            "dataset": trained.dataset,
            "method": "previous",
            "previous_networks": previous,
            f"{previous}-snapshot": number,
            "learning_rate": "0.1",
        }
        answer = trained.post("/models/images/generic.json", sent).get_json()
        made.append(answer.get("id"))
        if "errors" in answer:
            return answer["errors"]["previous_snapshot"][0]
        arguments = list(trained.jobs.get(made[-1])[0].steps[-1].arguments)
        if "--weights" not in arguments:
            assert arguments[arguments.index("--fill") + 1] == "msra"
            return None
        assert "--fill" not in arguments
        path = arguments[arguments.index("--weights") + 1]
        assert path.startswith(trained.jobs.path(made[-1])) and os.path.getsize(path)
        return os.path.basename(path)

    made = []
    assert weights(trained.model, "1") == "snapshot_iter_4.caffemodel"
    second = made[0]
    assert weights(trained.model, "0") is weights(trained.model, "-1") is None
    assert weights(second, "-1.0") == "snapshot_iter_4.caffemodel"
    shutil.rmtree(trained.jobs.path(second, "uploads"))
    assert "not there any more" in weights(second, "-1")
    for id_ in filter(None, made):
        trained.client.delete(f"/models/{id_}", base_url="http://127.0.0.1:5000")


@pytest.mark.parametrize("named", ["nan", "inf", "-inf", "1e999", "x" * 5000, "i", "0", "-3"])
def test_snapshots_that_are_not_there(trained, named):
    answer = trained.get(f"/models/{trained.model}/download.caffemodel?snapshot_epoch={named}")
    assert answer.status_code == 400 and "there is no snapshot" in answer.text
    assert len(answer.text) < 4000


def test_an_archive_of_any_name_that_digits_has(trained):
    for ending in ("tar.gz", "tgz"):
        answer = trained.get(f"/models/{trained.model}/download.{ending}")
        assert answer.data[:2] == b"\x1f\x8b"


def test_scores_are_the_same_numbers_however_they_are_written(site, monkeypatch):
    scores = np.random.RandomState(0).standard_normal((3, 2, 4)).astype(np.float32)
    expected = np.round(scores, 6).tolist()
    with site.app.test_request_context():
        one = answers.with_scores([(None, "score", scores)])
        many = answers.with_scores([("a", "score", scores), ('"b', "s", scores)], {"left_out": 2})
        one.direct_passthrough = many.direct_passthrough = False
        assert one.get_json() == {"outputs": {"score": [expected]}}
        assert many.get_json() == {
            "outputs": {"a": {"score": [expected]}, '"b': {"s": [expected]}},
            "left_out": 2,
        }
        monkeypatch.setattr(answers, "_MOST_VALUES", 40)
        with pytest.raises(InputError, match="form=rle"):
            answers.with_scores([("a", "score", scores), ("b", "score", scores)])
        with pytest.raises(InputError, match="diverged"):
            answers.with_scores([(None, "score", np.full((1, 2, 2), np.nan, np.float32))])


def test_a_share_for_validation_is_taken_as_digits_does(site):
    for name in ("images", "labels"):
        (site.data / name).mkdir()
    sent = {"feature_folder": "images", "label_folder": "labels"}
    for extension, share in (("image-segmentation", 10), ("images", None)):
        answer = site.post(f"/datasets/generic/create/{extension}.json", sent).get_json()
        with open(os.path.join(site.jobs.path(answer["id"]), "job.json")) as file:
            assert json.load(file)["settings"]["folder_pct_val"] == share
