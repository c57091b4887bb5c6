"""Lists of jobs: in the right order, and at no more cost for a thousand jobs than for ten."""

import json
import statistics
import time

import pytest

from fcnkit.jobs import Jobs, State
from fcnkit.workbench.catalogue import Catalogue
from fcnkit.workbench.scores import Scores, newest, rows_after

LOG = "I0101 ] Iteration 10, test scores: pixel_accuracy = {0}, mean_iou = {1}\n"
SORTS = [sign + name for sign in ("", "-") for name in ("age", "name", "state", "score")]


def write_jobs(folder, count, notes="", datasets=2):
    """Write the folders of `count` jobs, a few of them datasets, models with scores."""
    for number in range(count):
        kind = "dataset" if number < datasets else "model"
        job = folder / f"20260101-{number // 3600:02}{number // 60 % 60:02}{number % 60:02}-0000"
        (job / "run").mkdir(parents=True)
        settings = {"dataset": "20260101-000000-0000"} if kind == "model" else {}
        text = {
            "kind": kind, "name": f"Name {count - number}", "lane": "cpu", "steps": [],
            "settings": settings, "notes": notes, "created": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        (job / "job.json").write_text(json.dumps(text))
        state = {"state": ("done", "error", "aborted")[number % 3], "step": 0}
        (job / "state.json").write_text(json.dumps(state))
        if kind == "model" and number % 4:
            (job / "run" / "train.log").write_text(LOG.format(0.5, (number * 7 % 100) / 100))


@pytest.fixture
def jobs(tmp_path):
    write_jobs(tmp_path / "jobs", 60)
    found = Jobs(tmp_path / "jobs")
    yield found
    found.close()


def catalogue_of(jobs):
    scores = Scores(jobs)
    return Catalogue(jobs, scores.mean_iou), scores


@pytest.mark.parametrize("sort", [*SORTS, "nonsense", ""])
def test_orders_are_those_of_sorting_everything(jobs, sort):
    catalogue, scores = catalogue_of(jobs)
    changed = jobs.all()[20][0].id
    jobs.write(changed, State("running"))
    keys = {
        "name": lambda each: each[0].name.lower(),
        "state": lambda each: each[1].state,
        "score": lambda each: -1 if scores.of(*each)[0] is None else scores.of(*each)[0],
    }
    for _ in range(2):
        for kind in ("model", "dataset"):
            every = [
                each for each in jobs.all() if (each[0].kind == "dataset") == (kind == "dataset")
            ]
            key = keys.get(sort.lstrip("-"), lambda each: each[0].id)
            expected = sorted(every, key=key, reverse=sort.startswith("-"))
            assert list(catalogue.find(kind, (), sort)) == expected
            held = [each for each in expected if "name 4" in f"{each[0].name} x".lower()]
            assert list(catalogue.find(kind, ["NAME", "name 4"], sort)) == held
        # A score that changes while the model runs, and jobs that change or go.
        with open(jobs.path(changed, "run", "train.log"), "a") as file:
            file.write(LOG.format(0.9, 0.99))
        jobs.change(jobs.all()[3][0].id, name="name 4000")
        jobs.throw_away(jobs.all()[5][0].id)


def test_a_full_trash_is_shown_page_by_page(tmp_path):
    from workbench_site import Site

    write_jobs(tmp_path / "jobs", 1000)
    (tmp_path / "jobs").rename(tmp_path / "trash")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "trash").rename(tmp_path / "jobs" / "trash")
    site = Site(tmp_path)
    try:
        text = site.get("/trash").text
        assert text.count("Restore<") == 50 and "Page 1 of 20" in text
        assert site.get("/trash?page=99").text.count("Restore<") == 50
        site.post(f"/trash/{site.jobs.trash_ids()[0]}/restore")
        assert len(site.jobs.all()) == 1 and len(site.jobs.trash_ids()) == 999
    finally:
        site.bench.close()


def test_models_of_a_dataset(jobs):
    catalogue, _ = catalogue_of(jobs)
    dataset = "20260101-000000-0000"
    assert len(catalogue.users_of(dataset)) == 58
    jobs.throw_away(catalogue.users_of(dataset)[0].id)
    assert len(catalogue.users_of(dataset)) == 57
    assert not catalogue.users_of("none")


def test_newest_scores_and_rows():
    rows = [
        {"iteration": 1, "test_mean_iou": 0.1}, {"iteration": 3, "loss": 1.0},
        {"iteration": 5, "test_mean_iou": 0.2, "test_pixel_accuracy": 0.3}, {"iteration": 6},
    ]  # fmt: skip
    assert newest(rows) == (0.2, 0.3) and newest([]) == (None, None)
    for after in range(-1, 8):
        expected = [row for row in rows if row["iteration"] > after]
        assert list(rows_after(rows, after)) == expected


def test_few_logs_stay_in_memory(jobs):
    _, scores = catalogue_of(jobs)
    for each in jobs.all():
        scores.of(*each)
    assert len(scores._logs) <= 16


IDS = [f"20260101-0000{number:02}-0000" for number in (0, 5)]
ADDRESSES = ["/", "/?sort=-score", "/?sort=name", "/?q=name", "/?q=name+1&sort=score", "/trash"]
ADDRESSES += ["/datasets/new", "/models/new", f"/datasets/{IDS[0]}", f"/models/{IDS[1]}"]
ADDRESSES += [f"/rows.json?ids={IDS[1]}", f"/models/{IDS[1]}/live.json"]


@pytest.mark.slow
def test_a_page_costs_the_same_among_a_thousand_jobs(tmp_path):
    from workbench_site import Site

    sites = []
    for count in (12, 1000):
        folder = tmp_path / str(count)
        write_jobs(folder / "jobs", count)
        sites.append(Site(folder))
    try:
        for address in ADDRESSES:
            times = [[], []]
            for _ in range(25):  # in turn, so that other work meets both
                for site, taken in zip(sites, times):
                    before = time.thread_time()
                    assert site.get(address).status_code == 200
                    taken.append(time.thread_time() - before)
            few, many = (statistics.median(taken[3:]) for taken in times)
            print(f"{address}: {1000 * few:.1f} ms, {1000 * many:.1f} ms, {many / few:.2f}x")
            assert many < 1.5 * few, address
    finally:
        for site in sites:
            site.bench.close()
