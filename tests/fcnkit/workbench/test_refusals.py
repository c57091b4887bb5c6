"""What a person sees who fills in a form wrongly, comes late, or follows an old link."""

import io
import re

import pytest
from tiny_segmentation import net_text

from fcnkit.jobs import State

BROWSER = {"Accept": "text/html,*/*;q=0.8"}
TESTS = "/models/images/generic/infer_"


def post(site, address, **fields):
    """Send a page's form as a browser does; returns (status, page)."""
    client = site.app.test_client()
    base = "http://127.0.0.1:5000"
    page = client.get("/", base_url=base).text
    fields["csrf_token"] = re.search(r'name="csrf-token" content="([^"]+)', page)[1]
    more = {"content_type": "multipart/form-data", "headers": {**BROWSER, "Origin": base}}
    answer = client.post(address, data=fields, base_url=base, follow_redirects=True, **more)
    return answer.status_code, answer.text


@pytest.mark.parametrize(
    ("form", "fields", "place", "words"),
    [
        ("one", {}, "one-image_file", "upload an image"),
        ("one", {"image_path": "x.png"}, "one-image_path", "x.png: there is no such file"),
        ("one", {"entry": "val:999"}, "one-entry", "no number 999"),
        (
            "one",
            {"entry": "val:0", "snapshot_epoch": "i99"},
            "one-snapshot_epoch",
            "there is no snapshot",
        ),
        ("many", {}, "many-image_files", "choose an image"),
        ("many", {"image_folder": "nowhere"}, "many-image_folder", "nowhere: there is no such"),
        ("dataset", {"num_test_images": "0"}, "dataset-num_test_images", "a number above 0"),
        ("dataset", {"num_test_images": "x"}, "dataset-num_test_images", "expected a number"),
    ],
)
def test_a_test_that_cannot_be_made_says_so_at_its_field(trained, form, fields, place, words):
    status, page = post(trained, f"{TESTS}{form}?job_id={trained.model}", **fields)
    assert status == 400
    hint = re.search(f'id="{place}-hint" role="alert"><strong>([^<]*)', page)
    assert words in hint[1]
    assert f'id="{place}"' in page and page.count('aria-invalid="true"') == 1
    for name in ("image_path", "image_folder"):  # stay where they were entered
        assert fields.get(name, "") in page


def test_scripts_get_the_error_alone(trained):
    answer = trained.post(f"{TESTS}one", {"job_id": trained.model})
    assert answer.status_code == 400 and "upload an image" in answer.get_json()["error"]


def test_pages_need_not_send_the_fields_that_they_hide(trained):
    fields = {"method": "custom", "dataset": trained.dataset, "learning_rate": "0"}
    status, page = post(trained, "/models/new", **fields)
    assert status == 400
    assert "expected a number above 0" in page and "This field is required" not in page
    status, page = post(trained, "/models/new", **fields, momentum="", lr_poly_power="")
    assert page.count("This field is required") == 2


def test_notes_keep_their_reasons(site):
    id_ = site.jobs.add(site.jobs.new_id(), "model", "x", "cpu", []).id
    with open(site.jobs.path(id_, "log.txt"), "w") as file:
        for share in (90, 87):
            file.write(
                "note: every pixel is predicted as background:\n"
                f"  - {share}% of the labelled pixels are background\n"
                "  - the loss is high\niteration 3\n"
            )
    page = site.get(f"/models/{id_}").text
    assert "87% of the labelled pixels are background\n  - the loss is high</p>" in page
    assert page.count("every pixel is predicted") == 1 + page.count("log.txt</pre>")


def test_old_links_say_where_a_job_went(site):
    id_ = site.jobs.add(site.jobs.new_id(), "model", "<b>x", "cpu", []).id
    site.post(f"/jobs/{id_}/abort")
    kind = site.get(f"/datasets/{id_}", headers=BROWSER)
    assert kind.status_code == 404 and "&lt;b&gt;x is a model, not a dataset" in kind.text
    site.client.delete(f"/jobs/{id_}", base_url="http://127.0.0.1:5000")
    for address in (f"/models/{id_}", f"/models/{id_}/test", f"/jobs/{id_}"):
        gone = site.get(address, headers=BROWSER)
        assert gone.status_code == 404 and "&lt;b&gt;x was deleted. It is still in" in gone.text
    post(site, "/trash/empty")
    gone = site.get(f"/models/{id_}", headers=BROWSER)
    assert gone.status_code == 404 and "deleted for good" in gone.text
    assert "\0" not in site.get("/models/%00", headers=BROWSER).text
    assert "no such page" in site.get("/nowhere", headers=BROWSER).text


def test_who_comes_late_in_another_tab_is_told(site):
    id_ = site.jobs.add(site.jobs.new_id(), "model", "x", "cpu", []).id
    site.post(f"/jobs/{id_}/abort")
    status, page = post(site, f"/jobs/{id_}/abort")
    assert status == 200 and "It does not run any more." in page
    site.jobs.write(id_, State("done", 0))
    status, page = post(site, f"/jobs/{id_}/resume")
    assert status == 200 and "There is nothing to resume: it is done." in page
    status, page = post(site, "/trash/20200101-000000-0000/restore")
    assert status == 200 and "not in the trash any more" in page


def test_models_that_keep_a_dataset_are_counted(site):
    data = site.jobs.add(site.jobs.new_id(), "dataset", "data", "data", []).id
    for expected in ("x trains on it: delete that model", "x and 1 more train on it: delete them"):
        site.jobs.add(site.jobs.new_id(), "model", "x", "cpu", [], {"dataset": data})
        answer = site.client.delete(f"/jobs/{data}", base_url="http://127.0.0.1:5000")
        assert answer.status_code == 400 and expected in answer.get_json()["error"]


@pytest.mark.parametrize("is_upload", [False, True])
@pytest.mark.parametrize(
    ("method", "name", "upload"),
    [
        ("surgery", "classifier_weights", "classifier_weights_file"),
        ("custom", "custom_network_snapshot", "weights_file"),
    ],
)
def test_weights_that_are_none_are_refused_at_their_field(trained, method, name, upload, is_upload):
    (trained.data / "notes.txt").write_text("a shopping list\n")
    field = upload if is_upload else name
    sent = (io.BytesIO(b"a shopping list\n"), "notes.txt") if is_upload else "notes.txt"
    fields = {"dataset": trained.dataset, "classifier": "shapes_classifier", field: sent}
    fields.update(method=method, custom_network=net_text())
    errors = trained.post("/models/images/generic.json", fields).get_json()["errors"]
    assert list(errors) == [field] and "not a caffemodel" in errors[field][0]


def test_a_classifier_that_is_none_is_refused_at_its_field(trained):
    (trained.data / "notes.txt").write_text("a shopping list\n")
    fields = {"dataset": trained.dataset, "method": "surgery", "classifier_net": "notes.txt"}
    errors = trained.post("/models/images/generic.json", fields).get_json()["errors"]
    assert list(errors) == ["classifier_net"]
