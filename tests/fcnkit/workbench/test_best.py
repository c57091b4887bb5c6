"""The weights with the best mean IoU, which training keeps by themselves: marked, offered, used."""

import io
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from workbench_site import Site

from fcnkit.commands import main
from fcnkit.training import read_best


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of the workbench whose best weights are of no snapshot, and differ from the newest."""
    shutil.copytree(trained.jobs.folder, tmp_path / "jobs")
    site = Site(tmp_path)
    site.dataset, site.model, site.photo = trained.dataset, trained.model, trained.data
    run = site.jobs.path(site.model, "run")
    shutil.copy(f"{run}/snapshot_iter_4.caffemodel", f"{run}/snapshot_best.caffemodel")
    with open(f"{run}/snapshots.json") as file:
        record = json.load(file)
    record["best"] = {"iteration": 3, "mean_iou": 0.75}
    with open(f"{run}/snapshots.json", "w") as file:
        json.dump(record, file)
    yield site
    site.bench.close()


def _mask(site, **fields):
    sent = {"job_id": site.model, "entry": "val:1", **fields}
    answer = site.post("/models/images/generic/infer_one.png", sent)
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.data)))


def test_the_best_of_a_run(trained, copied):
    best = read_best(trained.jobs.path(trained.model, "run"))
    assert best.iteration in (4, 8) and os.path.isfile(best.weights)
    found = copied.get(f"/models/{copied.model}.json").get_json()
    assert found["best"] == {"iteration": 3, "mean_iou": 0.75}
    assert found["iterations"] == [4, 8]
    path = copied.jobs.path(copied.model, "run", "snapshots.json")
    for content in ("{", "[]", "{}", '{"best": 3, "prefix": ""}', '{"best": {}, "prefix": "x"}'):
        with open(path, "w") as file:
            file.write(content)
        assert copied.get(f"/models/{copied.model}.json").get_json()["best"] is None
        assert copied.get(f"/models/{copied.model}").status_code == 200


def test_it_has_a_mark_or_a_row_of_its_own(trained, copied):
    page = trained.get(f"/models/{trained.model}").text
    assert page.count("<tr data-best>") == 1 and "snapshot_epoch=best" not in page
    page = copied.get(f"/models/{copied.model}").text
    assert page.count("<tr data-best>") == 1 and page.count(">best<") == 1
    assert "snapshot_epoch=best" in page and "snapshot=best" in page
    form = copied.get(f"/models/{copied.model}/test").text
    assert form.count('<option value="best">step 3') == 3


@pytest.mark.slow
def test_it_is_tested_and_taken_along(copied, tmp_path):
    assert np.array_equal(_mask(copied, snapshot_epoch="best"), _mask(copied, snapshot_epoch="i4"))
    answer = copied.get(f"/models/{copied.model}/download.caffemodel?snapshot_epoch=best")
    assert "_best.caffemodel" in answer.headers["Content-Disposition"]
    first = copied.jobs.path(copied.model, "run", "snapshot_iter_4.caffemodel")
    with open(first, "rb") as file:
        assert answer.data == file.read()
    answer = copied.get(f"/models/{copied.model}/download.zip?snapshot_epoch=best")
    (tmp_path / "model.zip").write_bytes(answer.data)
    image = str(copied.photo / "squares" / "val" / "images" / "val_1.png")
    arguments = [image, "-o", str(tmp_path / "out"), "--digits-model", str(tmp_path / "model.zip")]
    assert main.run_module("fcnkit.commands.infer", arguments) == 0
    mask = np.asarray(Image.open(tmp_path / "out" / "val_1.png"))
    assert np.array_equal(mask, _mask(copied, snapshot_epoch="best"))


def test_a_new_model_starts_from_it(copied):
    sent = {"dataset": copied.dataset, "method": "previous", "previous_networks": copied.model,
            "train_epochs": "1", "learning_rate": "1e-9"}  # fmt: skip

    def start(**fields):
        answer = copied.post("/models/images/generic.json", {**sent, **fields}).get_json()
        if "errors" in answer:
            return answer["errors"]
        arguments = copied.jobs.get(answer["id"])[0].steps[-1].arguments
        return os.path.basename(arguments[arguments.index("--weights") + 1])

    assert start(previous_snapshot="best") == "snapshot_best.caffemodel"
    assert start() == start(previous_snapshot="newest") == "snapshot_iter_8.caffemodel"
    assert start(previous_snapshot="1") == start(previous_snapshot="i4")
    assert set(start(previous_snapshot="i5")) == {"previous_snapshot"}
    assert set(start(previous_snapshot="x")) == {"previous_snapshot"}
    page = copied.get(f"/models/new?previous={copied.model}&snapshot=best").text
    assert '<option selected value="best">' in page
    os.remove(copied.jobs.path(copied.model, "run", "snapshot_best.caffemodel"))
    assert set(start(previous_snapshot="best")) == {"previous_snapshot"}
    sent["job_id"] = copied.model
    answer = copied.post("/models/images/generic/infer_one.json?snapshot_epoch=best", sent)
    assert answer.status_code == 400
