"""Fields of a new model that are options of `train`: loss, snapshots, schedule, machine."""

import html
import re

import pytest
from tiny_segmentation import net_text

from caffeformat import read_solver

FIELDS = {
    "train_epochs": "4",
    "lr_policy": "cosine",
    "learning_rate": "0.05",
    "lr_warm_up": "0.5",
    "lr_min": "0.001",
    "loss": "focal",
    "loss_options": "gamma=1.5 softmax=0.5",
    "keep_snapshots": "1",
    "patience": "2",
    "processes": "1",
    "precision": "bfloat16",
    "recompute": "y",
    "random_seed": "3",
}


@pytest.fixture
def create(trained):
    """Ask for a model that is not trained; returns (its id, or the errors of its form)."""
    made = []

    def create(**fields):
        sent = {"dataset": trained.dataset, "custom_network": net_text(), **fields}
        answer = trained.post("/models/images/generic.json", sent).get_json()
        if "errors" in answer:
            return answer["errors"]
        made.append(answer["id"])
        return answer["id"]

    yield create
    for id_ in made:
        trained.post(f"/jobs/{id_}/abort")
        trained.client.delete(f"/jobs/{id_}", base_url="http://127.0.0.1:5000")


def _arguments(site, id_):
    return list(site.jobs.get(id_)[0].steps[-1].arguments)


def test_fields_become_options_and_the_solver(trained, create):
    id_ = create(**FIELDS)
    said = " ".join(_arguments(trained, id_))
    for words in (
        "--loss focal gamma=1.5 softmax=0.5", "--keep 1", "--patience 2", "--precision bfloat16",
        "--recompute",
    ):  # fmt: skip
        assert words in said
    assert "--processes" not in said and "--sync" not in said
    solver = read_solver(trained.jobs.path(id_, "solver.prototxt"))
    assert (solver.lr_policy, solver.max_iter, solver.rampup_interval) == ("cosine", 16, 2)
    assert solver.min_lr == pytest.approx(0.001)
    page = trained.get(f"/models/new?clone={id_}").text
    for name in ("lr_warm_up", "lr_min", "loss_options", "keep_snapshots", "patience"):
        (tag,) = re.findall(rf'<input[^>]*name="{name}"[^>]*>', page)
        value = html.unescape(re.search(r'value="([^"]*)"', tag).group(1))
        assert value == FIELDS[name]
    (tag,) = re.findall(r'<input[^>]*name="recompute"[^>]*>', page)
    assert " checked" in tag
    assert '<option selected value="focal">' in page


def test_without_them_nothing_is_said(trained, create):
    id_ = create()
    assert set(_arguments(trained, id_)[2::2]) <= {"--data", "-o", "--resume", "--fill", "msra"}
    solver = read_solver(trained.jobs.path(id_, "solver.prototxt"))
    assert not solver.HasField("min_lr") and not solver.HasField("rampup_interval")


def test_an_epoch_is_one_of_all_processes(trained, create):
    id_ = create(processes="2", sync_batch_norm="y", train_epochs="3")
    said = " ".join(_arguments(trained, id_))
    assert "--processes 2" in said and "--sync-batch-norm" in said
    assert trained.jobs.get(id_)[0].settings["epoch"] == 2
    assert read_solver(trained.jobs.path(id_, "solver.prototxt")).max_iter == 6


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"loss": "other"}, "Not a valid choice"),
        ({"loss": "focal", "loss_options": "gamma"}, "expected KEY=VALUE"),
        ({"loss": "focal", "loss_options": "keep=0.5"}, "there is no option keep"),
        ({"loss": "dice", "loss_options": "smooth=-1"}, "expected 1e-12"),
        ({"lr_min": "2", "learning_rate": "1, 3"}, "no more than the learning rate"),
        ({"patience": "3", "val_interval": "0"}, "needs validations"),
        ({"patience": "0"}, "between 1"),
        ({"keep_snapshots": "0"}, "between 1"),
        ({"precision": "float8"}, "Not a valid choice"),
        ({"processes": "0"}, "between 1"),
        ({"lr_warm_up": "-1"}, "between 0"),
    ],
)
def test_errors_stand_at_their_field(create, fields, words):
    errors = create(**fields)
    (name,) = errors
    assert name in fields and words in errors[name][0]


def test_such_a_model_trains(trained, create):
    id_ = create(**{**FIELDS, "precision": "float32"})
    assert trained.take(id_) == "done"
    found = trained.get(f"/models/{id_}.json").get_json()
    assert len(found["iterations"]) == 1 and found["best"]["iteration"] >= 1
    page = trained.get(f"/models/{id_}").text
    assert "<tr data-best>" in page


def _groups(page):
    """{summary of a group of fields: whether it is open}, without those of pictures and cards."""
    found = re.findall(r"<details([^>]*)><summary>(.*?)</summary>", page)
    return {title: bool(re.search(r"\bopen\b", attributes)) for attributes, title in found}


def test_groups_with_filled_fields_are_open(trained):
    empty = _groups(trained.get("/models/new").get_data(as_text=True))
    assert len(empty) > 5 and not any(empty.values())
    fields = {"dataset": trained.dataset, "batch_size": "4", "sync_batch_norm": "y"}
    answer = trained.post("/models/new", {**fields, "train_epochs": "-1"})
    groups = _groups(answer.get_data(as_text=True))
    assert {title for title, is_open in groups.items() if is_open} == {"Solver", "Machine"}


def test_an_empty_form_of_a_dataset_is_folded(trained):
    groups = _groups(trained.get("/datasets/new").get_data(as_text=True))
    assert len(groups) == 3 and not any(groups.values())
