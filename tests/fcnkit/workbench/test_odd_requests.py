"""Arguments and values that no page sends: huge, nameless, meant for something else."""

import io
import os

import numpy as np
import pytest
from tiny_segmentation import net_text

from caffeformat import read_solver
from fcnkit.workbench import places
from fcnkit.workbench.explore import MAX_INDEX
from fcnkit.workbench.layers import _first, _shown

HUGE = "9" * 40


def add(site, kind="model", **more):
    return site.jobs.add(site.jobs.new_id(), kind, "x", "cpu", [], **more).id


@pytest.mark.parametrize("name", ["endpoint", "_scheme", "_method", "_external", "_anchor", "self"])
def test_arguments_of_a_list_stay_arguments(site, name):
    for _ in range(11):
        add(site)
    answer = site.get(f"/?{name}=javascript&q=x")
    assert answer.status_code == 200
    assert f'href="?{name}=javascript&amp;q=x&amp;models=2"' in answer.text
    assert "javascript:" not in answer.text


@pytest.mark.parametrize("value", [HUGE, "-" + HUGE, "256", "-1", "1e3", "", "\u0663"])
def test_classes_pages_and_sizes_of_any_number(trained, value):
    for argument in ("class", "page", "size", "side"):
        answer = trained.get(f"/datasets/{trained.dataset}/explore?{argument}={value}&sort=share")
        assert answer.status_code == 200, argument
    address = f"/models/samples.json?dataset={trained.dataset}&seed={value}"
    assert trained.get(address).status_code == 200
    for address in (f"/?models={value}", f"/trash?page={value}"):
        assert trained.get(address).status_code == 200


def test_classes_that_no_label_can_have_are_not_kept(trained):
    for index in range(MAX_INDEX + 1, MAX_INDEX + 100):
        answer = trained.get(f"/datasets/{trained.dataset}/explore?class={index}")
        assert "No image has this class" in answer.text
    folder = trained.jobs.path(trained.dataset)
    opened = trained.bench.datasets.get(os.path.join(folder, "data"), folder)
    assert all(index <= MAX_INDEX for _, index in opened._shares)


def test_times_past_what_a_solver_counts(trained):
    sent = {
        "dataset": trained.dataset,
        "custom_network": net_text(),
        "train_epochs": "1",
        "snapshot_interval": "100000",
        "val_interval": "100000",
        "lr_warm_up": "100000",
    }
    folder = trained.jobs.path(trained.dataset)
    opened = trained.bench.datasets.get(os.path.join(folder, "data"), folder)
    real = opened.ids
    opened.ids = lambda split: range(100_000)
    try:
        refused = trained.post(
            "/models/images/generic.json", {**sent, "train_epochs": "100000"}
        ).get_json()
        made = trained.post("/models/images/generic.json", sent).get_json()["id"]
    finally:
        opened.ids = real
    assert "more steps than a solver counts" in refused["errors"]["train_epochs"][0]
    solver = read_solver(trained.jobs.path(made, "solver.prototxt"))
    assert solver.snapshot == solver.test_interval == 2**31 - 1
    trained.post(f"/jobs/{made}/abort")
    trained.client.delete(f"/jobs/{made}", base_url="http://127.0.0.1:5000")


@pytest.mark.parametrize(
    "settings",
    [
        {"epoch": "x", "train_epochs": "x", "iterations": []},
        {"epoch": -1, "train_epochs": None, "dataset": 3},
        {"epoch": 1e300, "train_epochs": {}, "learning_rate": [1], "lr_policy": 3},
    ],
)
def test_settings_that_were_changed_by_hand(site, settings):
    id_ = add(site, settings=settings)
    for end in ("", ".json", "/live.json", "/test", "/masks"):
        assert site.get(f"/models/{id_}{end}").status_code in (200, 400), end
    assert site.get(f"/models/new?clone={id_}").status_code == 200


@pytest.mark.parametrize(
    "values",
    [
        [1, np.nextafter(np.float32(1), np.float32(2))],
        [-3e38, 3e38],
        [np.nan, np.inf, -np.inf, 1],
        [np.nan],
        [],
    ],
)
def test_layers_of_any_values(values):
    array = np.array(values, np.float32)
    shown = _shown("x", array)
    assert len(shown.bars) == 32 and np.isfinite([shown.mean, shown.deviation]).all()
    picture = _shown("x", np.resize(array, (2, 3, 3)) if values else np.zeros((2, 3, 3), "f4"))
    assert picture.picture.startswith("data:image/png")
    assert _first(np.float32(3)[None][0:1].reshape(())).shape == ()


def test_what_a_clone_was_made_of_is_not_replaced_by_something_else(trained):
    """The list of a form would show its first line: another dataset, another model."""
    gone = trained.jobs.new_id()
    trained.jobs.discard(gone)
    settings = {"dataset": gone, "method": "previous", "previous_networks": gone}
    id_ = add(trained, settings=settings)
    page = trained.get(f"/models/new?clone={id_}").text
    for what in ("dataset", "model"):
        assert f'<option value="">Choose a {what}: the previous one is not there</option>' in page
    sent = {"dataset": "", "custom_network": net_text(), "model_name": "y", "learning_rate": "0.1"}
    answer = trained.post("/models/images/generic.json", sent)
    assert "choose a dataset" in answer.get_json()["errors"]["dataset"][0]
    trained.post(f"/jobs/{id_}/abort")
    trained.client.delete(f"/jobs/{id_}", base_url="http://127.0.0.1:5000")


@pytest.mark.parametrize("kind", ["dataset", "model"])
def test_a_clone_says_what_to_upload_again(site, kind):
    """Otherwise a model would begin without the weights of its original."""
    id_, other = add(site, kind), add(site, settings={"method": "previous"})
    said = "Upload again what x was made of"
    assert said not in site.get(f"/{kind}s/new?clone={id_}").text
    for each in (id_, other):
        os.mkdir(site.jobs.path(each, "uploads"))
        open(site.jobs.path(each, "uploads", "w<b>.caffemodel"), "w").close()
    assert f"{said}: w&lt;b&gt;.caffemodel." in site.get(f"/{kind}s/new?clone={id_}").text
    assert said not in site.get(f"/models/new?clone={other}").text


def test_weights_are_copied_where_a_disk_knows_no_links(trained, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    sent = {
        "dataset": trained.dataset,
        "method": "previous",
        "previous_networks": trained.model,
        "learning_rate": "0.1",
    }
    made = trained.post("/models/images/generic.json", sent).get_json()["id"]
    arguments = list(trained.jobs.get(made)[0].steps[-1].arguments)
    weights = arguments[arguments.index("--weights") + 1]
    assert weights.startswith(trained.jobs.path(made)) and os.path.getsize(weights) > 0
    trained.post(f"/jobs/{made}/abort")
    trained.client.delete(f"/jobs/{made}", base_url="http://127.0.0.1:5000")


def test_a_test_does_not_bring_back_a_deleted_model(trained, monkeypatch):
    """It is deleted between the look at it and the test's first picture."""
    folder = trained.jobs.path(trained.model)
    hidden = folder + ".away"
    real = trained.bench.networks.get

    def get(*arguments):
        network = real(*arguments)
        os.rename(folder, hidden)
        return network

    monkeypatch.setattr(trained.bench.networks, "get", get)
    try:
        answer = trained.post(
            "/models/images/generic/infer_dataset", {"job_id": trained.model, "split": "val"}
        )
        assert answer.status_code == 400 and not os.path.exists(folder)
    finally:
        os.rename(hidden, folder)


def test_pictures_of_comparisons_have_names(trained):
    address = f"/compare/pictures/{trained.model}/{trained.model}/val/0"
    assert trained.get(f"{address}/first").status_code == 200
    assert trained.get(f"{address}/other").status_code == 404


def test_a_long_folder_says_that_there_is_more(site, monkeypatch):
    monkeypatch.setattr(places, "_MOST", 3)
    for number in range(5):
        (site.data / f"{number}.txt").write_text("x")
    found = site.get("/places.json").get_json()
    assert len(found["entries"]) == 3 and found["left_out"] == 2


@pytest.mark.parametrize("address", ["/datasets/new", "/models/new", "/jobs/x/change"])
@pytest.mark.parametrize("body", ["3", "[1]", '{"dataset_name": {"a": 1}}', "{"])
def test_json_is_no_form(site, address, body):
    answer = site.post(address, body, content_type="application/json")
    assert answer.status_code == 415 and "found JSON" in answer.get_json()["error"]
    assert site.post(f"/jobs/{add(site)}/abort", "{}", content_type="application/json").is_json


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("models/images/generic.json", "custom_network"),
        ("models/images/generic.json", "learning_rate"),
        ("models/images/generic.json", "sync_batch_norm"),
        ("models/images/generic.json", "method"),
        ("datasets/generic/create/images.json", "class_labels"),
        ("datasets/generic/create/images.json", "source"),
        ("datasets/generic/create/images.json", "dsopts_num_threads"),
        ("datasets/images/generic.json", "prebuilt_train_images"),
    ],
)
def test_a_file_is_no_text(site, address, field):
    """As curl sends it with @ in place of <."""
    sent = {"method": "custom", field: (io.BytesIO(b"x"), "net.prototxt")}
    answer = site.post(f"/{address}", sent)
    assert answer.status_code == 400
    assert "found a file" in answer.get_json()["errors"][field][0]
    page = f"/{address.split('/')[0]}/new"
    sent[field] = (io.BytesIO(b"x"), "net.prototxt")
    answer = site.post(page, sent, headers={"Accept": "text/html"})
    assert answer.status_code == 400
    assert ("found a file" in answer.text) == (field != "prebuilt_train_images")


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("models/images/generic.json", "weights_file"),
        ("datasets/generic/create/images.json", "source_file"),
    ],
)
def test_a_text_is_no_file(site, address, field):
    """As curl sends it without @: nothing would begin at those weights."""
    answer = site.post(f"/{address}", {"method": "custom", "source": "x", field: "a.caffemodel"})
    assert answer.status_code == 400 and "upload it" in answer.get_json()["errors"][field][0]


def test_what_may_be_chosen_is_named(site):
    sent = {"method": "pretrained", "lr_policy": "y" * 500}
    found = site.post("/models/images/generic.json", sent).get_json()["errors"]
    words = "Not a valid choice: 'pretrained'; expected surgery, standard, previous, custom"
    assert found["method"] == [words]
    assert found["lr_policy"][0].endswith("; expected poly, fixed, step, multistep, exp, inv, "
                                          "sigmoid, cosine, linear")  # fmt: skip
    assert len(found["lr_policy"][0]) < 200
    sent = {"method": "previous", "previous_networks": "x"}
    found = site.post("/models/images/generic.json", sent).get_json()["errors"]
    assert "there is none yet" in found["previous_networks"][0]
