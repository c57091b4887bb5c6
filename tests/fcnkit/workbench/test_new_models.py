"""What a new model's form writes: its solver, its net and weights, and how two models compare."""

import json
import os

import numpy as np
import pytest
from PIL import Image
from tiny_segmentation import net_text, write_dataset

from caffeformat import Weights, learning_rate, read_net, read_solver, write_caffemodel

# Of the dataset: 8 images in batches of 2, so that 50 epochs are 200 steps.
EPOCHS, STEPS = 50, 200

WEIGHTS = Weights({"conv": [np.zeros((1, 1, 1, 1), np.float32)]})  # of another net


@pytest.fixture
def create(trained):
    """Ask for a model that is not trained; returns its job, or the errors of its form."""
    made = []

    def create(**fields):
        sent = {"dataset": trained.dataset, "method": "custom", "learning_rate": "0.5", **fields}
        if sent["method"] == "custom":
            sent.setdefault("custom_network", net_text())
        answer = trained.post("/models/images/generic.json", sent).get_json()
        if "errors" in answer:
            return answer["errors"]
        made.append(answer["id"])
        return trained.jobs.get(answer["id"])[0]

    yield create
    for id_ in made:
        trained.post(f"/jobs/{id_}/abort")
        trained.client.delete(f"/jobs/{id_}", base_url="http://127.0.0.1:5000")


def _arguments(job, number=-1):
    return " ".join(job.steps[number].arguments)


@pytest.mark.parametrize(
    ("policy", "fields", "rates"),
    [
        ("fixed", {}, {0: 0.5, 199: 0.5}),
        ("poly", {"lr_poly_power": "2"}, {0: 0.5, 100: 0.125, 200: 0}),
        ("step", {"lr_step_size": "25", "lr_step_gamma": "0.1"}, {49: 0.5, 50: 0.05, 100: 0.005}),
        (
            "multistep",
            {"lr_multistep_values": "10, 60", "lr_multistep_gamma": "0.5"},
            {19: 0.5, 20: 0.25, 119: 0.25, 120: 0.125},
        ),
        ("exp", {"lr_exp_gamma": "0.81"}, {0: 0.5, 1: 0.45, 2: 0.405}),  # 0.81 per 1% of the run
        ("inv", {"lr_inv_gamma": "0.1", "lr_inv_power": "1"}, {0: 0.5, 10: 0.25}),
        (
            "sigmoid",
            {"lr_sigmoid_step": "50", "lr_sigmoid_gamma": "0.2"},
            {0: 0.5, 100: 0.25, 110: 0.5 / 3.71828, 200: 0.5 / 22027},
        ),
        ("cosine", {}, {0: 0.5, 100: 0.25, 200: 0}),
        ("linear", {}, {0: 0.5, 50: 0.375, 200: 0}),
    ],
)
def test_times_in_per_cent_of_the_run_become_steps(trained, create, policy, fields, rates):
    job = create(train_epochs=str(EPOCHS), lr_policy=policy, **fields)
    solver = read_solver(trained.jobs.path(job.id, "solver.prototxt"))
    assert solver.max_iter == STEPS == job.settings["iterations"]
    found = {step: learning_rate(solver, step) for step in rates}
    assert found == pytest.approx(rates, rel=1e-4, abs=2e-5)


@pytest.mark.parametrize("values", ["50, 10", "0, 50", "50, 101", "half", ""])
def test_steps_rise_within_the_run(create, values):
    errors = create(lr_policy="multistep", lr_multistep_values=values)
    assert "rising percentages" in errors["lr_multistep_values"][0]


@pytest.mark.parametrize(
    ("solver_type", "momentum"), [("SGD", 0.8), ("Adam", 0.8), ("AdaGrad", 0), ("RMSProp", 0)]
)
def test_solvers_without_momentum_get_none(trained, create, solver_type, momentum):
    job = create(solver_type=solver_type, momentum="0.8")
    solver = read_solver(trained.jobs.path(job.id, "solver.prototxt"))
    assert (solver.type, solver.momentum) == (solver_type, pytest.approx(momentum))


def test_snapshots_and_tests_are_in_steps_and_may_be_left_out(trained, create):
    job = create(train_epochs="3", snapshot_interval="1.5", val_interval="0.5")
    solver = read_solver(trained.jobs.path(job.id, "solver.prototxt"))
    assert (solver.max_iter, solver.snapshot, solver.test_interval) == (12, 6, 2)
    job = create(train_epochs="3", snapshot_interval="0", val_interval="0")
    solver = read_solver(trained.jobs.path(job.id, "solver.prototxt"))
    assert solver.snapshot == 0 and not solver.test_interval and not solver.test_iter


def test_a_network_of_the_zoo_scores_the_datasets_classes(trained, create):
    job = create(method="standard", standard_networks="fcn_shapes")
    assert job.name == "fcn_shapes"
    net = read_net(trained.jobs.path(job.id, "net", "train_val.prototxt"))
    scores = [layer for layer in net.layer if layer.name.startswith("score") and layer.top]
    assert {s.convolution_param.num_output for s in scores if s.type == "Convolution"} == {3}
    assert "--fill msra" in _arguments(job) and "--weights" not in _arguments(job)


def test_another_models_network_and_weights(trained, create):
    fields = {"method": "previous", "previous_networks": trained.model}
    assert "snapshot_iter_8.caffemodel" in _arguments(create(**fields))  # the newest
    job = create(**fields, previous_snapshot="1")  # epoch 1 of 4 steps
    weights = trained.jobs.path(trained.model, "run", "snapshot_iter_4.caffemodel")
    # Its own, so that the other model may be deleted.
    own = trained.jobs.path(job.id, "uploads", "snapshot_iter_4.caffemodel")
    assert job.name == "a model, again" and f"--weights {own}" in _arguments(job)
    assert os.path.samefile(own, weights)
    ours, theirs = (
        trained.jobs.path(id_, "net", "train_val.prototxt") for id_ in (job.id, trained.model)
    )
    assert read_net(ours) == read_net(theirs)
    errors = create(**fields, previous_snapshot="i5")
    assert (
        set(errors) == {"previous_snapshot"}
        and "no snapshot 'i5'" in errors["previous_snapshot"][0]
    )
    errors = create(method="previous", previous_networks=trained.dataset)
    assert set(errors) == {"previous_networks"}


def test_the_mean_that_is_subtracted(trained, create):
    def means(use_mean):
        net = read_net(trained.jobs.path(create(use_mean=use_mean).id, "net", "train_val.prototxt"))
        return [list(layer.transform_param.mean_value) for layer in net.layer if layer.top]

    with open(trained.jobs.path(trained.dataset, "data", "manifest.json")) as file:
        mean = json.load(file)["mean_bgr"]
    found = means("pixel")
    assert found[0] == pytest.approx(mean) and found[2] == found[0]  # TRAIN's and TEST's images
    assert not found[1] and not found[3]  # labels
    assert not any(means("none"))


def test_the_mean_of_grey_images_is_one_value(site):
    write_dataset(str(site.data / "squares"), train=2, val=1)
    for path in (site.data / "squares").glob("*/images/*.png"):
        with Image.open(path) as image:
            grey = image.convert("L")
        grey.save(path)
    fields = {"source": "squares", "dsopts_num_threads": "1"}
    id_ = site.post("/datasets/generic/create/images.json", fields).get_json()["id"]
    assert site.take(id_) == "done"
    with open(site.jobs.path(id_, "data", "manifest.json")) as file:
        (mean,) = json.load(file)["mean"]
    page = site.get(f"/datasets/{id_}").text
    assert f"<b>{mean:.0f} </b><span>mean</span>" in page
    fields = {"dataset": id_, "custom_network": net_text(), "use_mean": "pixel"}
    job = site.post("/models/images/generic.json", fields).get_json()["id"]
    net = read_net(site.jobs.path(job, "net", "train_val.prototxt"))
    assert list(net.layer[0].transform_param.mean_value) == pytest.approx([mean])


def test_surgery_needs_a_classifier_and_its_weights(trained, create):
    fields = {"method": "surgery", "classifier": "vgg16"}
    assert set(create(**fields)) == {"classifier_weights"}
    assert set(create(method="surgery", classifier="")) == {"classifier"}
    write_caffemodel(trained.data / "vgg.caffemodel", WEIGHTS)
    weights = str(trained.data / "vgg.caffemodel")
    try:
        job = create(**fields, classifier_weights="vgg.caffemodel", surgery_stride="8")
        said = _arguments(job, 0)
        assert f"net_surgery --net vgg16 --weights {weights} --classes 3" in said
        assert "--stride 8" in said and job.name == "FCN of vgg16"
        assert [step.title for step in job.steps] == ["Net surgery", "Train"]
        assert "--weights fcn/fcn.caffemodel" in _arguments(job)
        (trained.data / "own.prototxt").write_text("layer {")
        errors = create(**fields, classifier_weights=weights, classifier_net="own.prototxt")
        assert set(errors) == {"classifier_net"} and "line 1" in errors["classifier_net"][0]
    finally:
        os.remove(weights)


def test_each_model_of_a_sweep_keeps_the_weights_that_were_uploaded(trained):
    net = trained.data / "start.caffemodel"
    write_caffemodel(net, WEIGHTS)
    with open(net, "rb") as file:
        fields = {
            "dataset": trained.dataset,
            "custom_network": net_text(),
            "method": "custom",
            "learning_rate": "0.1, 0.01",
            "weights_file": (file, "start.caffemodel"),
        }
        jobs = trained.post("/models/images/generic.json", fields).get_json()["jobs"]
    try:
        kept = [trained.jobs.path(job["id"], "uploads", "start.caffemodel") for job in jobs]
        for job, path in zip(jobs, kept):
            assert f"--weights {path}" in _arguments(trained.jobs.get(job["id"])[0])
        trained.client.delete(f"/jobs/{jobs[0]['id']}", base_url="http://127.0.0.1:5000")
        with open(kept[1], "rb") as file:
            assert file.read() == net.read_bytes()
    finally:
        os.remove(net)
        for job in jobs:
            trained.client.delete(f"/jobs/{job['id']}", base_url="http://127.0.0.1:5000")


def test_two_models_side_by_side(trained, create):
    job = create(model_name="another", learning_rate="0.25", train_epochs="7")
    page = trained.get(f"/compare?model={trained.model}&model={job.id}").text
    assert "another" in page and "a model" in page
    for title, values in {"Learning rate": ("0.1", "0.25"), "Epochs": ("2.0", "7.0")}.items():
        row = page.split(f'<th scope="row">{title}</th>')[1].split("</tr>")[0]
        assert [part.split("<")[0] for part in row.split('<td class="name">')[1:]] == list(values)
    assert "Solver</th>" not in page  # both have the same
    assert page.count("data-agreement=") == 3  # images of validation
    place = f"{trained.model}/{trained.model}"
    for split in ("test", "x"):
        answer = trained.get(f"/compare/agreement/{place}/{split}/0.json")
        assert answer.status_code == 400 and "the dataset of the first model" in answer.text


def test_masks_at_snapshots_need_one(trained, create):
    answer = trained.get(f"/models/{create().id}/masks")
    assert answer.status_code == 400 and "there is no snapshot yet" in answer.text
    address = f"/models/{trained.model}/masks"
    for wrong in ("5/val/0", "4/train/0", "4/val/7"):
        assert trained.get(f"{address}/{wrong}.jpg").status_code == 404
