"""Extensions written for DIGITS in the workbench: datasets, options, views, tests, as in DIGITS."""

import contextlib
import importlib
import io
import os
import re
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from PIL import Image
from places import REPO
from tiny_segmentation import net_text
from workbench_site import Site

from fcnkit.web import digits_stand_in, extensions, installed_extensions

PLUGIN = str(REPO / "digits_plugin")
VALUES = {
    "foreign": ("foreign_extension:Visualization", "foreign_extension:DataIngestion"),
    "ours": ("digits_fcn.view:Visualization", "digits_fcn.data:DataIngestion"),
}


def _of(*packages):
    return [n for n in sys.modules if any(n == p or n.startswith(p + ".") for p in packages)]


@contextlib.contextmanager
def installed(*names):
    """Let the extensions be installed, and nothing else be known of DIGITS than our stand-in."""
    packages = ("digits", "flask.ext", "foreign_extension", "digits_fcn")
    before = {name: sys.modules.pop(name) for name in _of(*packages)}
    path, known = list(sys.path), extensions.installed
    sys.path[:] = [*(p for p in path if not p.endswith("stub")), PLUGIN]
    extensions.installed = lambda group: [
        EntryPoint("class", value, group)
        for name in names
        for kind, value in zip(("view", "data"), VALUES[name])
        if extensions.GROUPS[kind] == group
    ]
    try:
        assert digits_stand_in.install()
        yield
    finally:
        extensions.installed = known
        sys.path[:] = path
        for name in _of(*packages):
            del sys.modules[name]
        sys.modules.update(before)


@pytest.fixture(scope="module")
def extended(tmp_path_factory, needs_engine):
    """A workbench with the contract's extension, a dataset that it made and a model of it."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    with installed("foreign", "ours"):
        site = Site(tmp_path_factory.mktemp("extended"))
        site.bench.extensions = installed_extensions()
        site.foreign = importlib.import_module("foreign_extension")
        answer = site.post(
            "/datasets/generic/create/foreign-data.json",
            {"count": "4", "dataset_name": "made", "dsopts_num_threads": "1"},
        )
        site.dataset = answer.get_json()["id"]
        assert site.take(site.dataset) == "done", _log(site, site.dataset)
        sent = {"dataset": site.dataset, "custom_network": net_text(), "train_epochs": "1",
                "learning_rate": "0.1", "random_seed": "1"}  # fmt: skip
        site.model = site.post("/models/images/generic.json", sent).get_json()["id"]
        assert site.take(site.model) == "done", _log(site, site.model)
        site.foreign.CALLS.clear()
        yield site
        site.bench.close()


def _log(site, id_):
    with open(site.jobs.path(id_, "log.txt")) as file:
        return file.read()


def _calls(site, name):
    return [call for call in site.foreign.CALLS if call[0] == name]


def test_a_dataset_is_what_the_extension_encoded_in_its_order(extended):
    found = extended.get(f"/datasets/{extended.dataset}.json").get_json()
    assert found["classes"] == ["dark", "red", "green"] and found["images"] == {
        "train": 4,
        "val": 1,
    }
    for number in range(4):
        image, label = extended.foreign.DataIngestion(count=4).encode_entry(number)
        address = f"/datasets/{extended.dataset}/pictures/train/{number}"
        mask = np.asarray(Image.open(_file(extended.get(address + "/mask").data)))
        assert np.array_equal(mask, label[0])
        shown = np.asarray(Image.open(_file(extended.get(address + "/image").data)), int)
        assert np.abs(shown - image.transpose(1, 2, 0)).mean() < 12
    mask = Image.open(_file(extended.get(address + "/mask").data))
    assert mask.getpalette()[3:6] == [255, 0, 0]  # the extension's colours


def _file(data):
    return io.BytesIO(data)


def test_its_form_is_a_page_and_a_clone_fills_it_in(extended):
    page = extended.get("/datasets/new").text
    assert "/datasets/generic/new/foreign-data" in page and "Foreign data" in page
    page = extended.get("/datasets/generic/new/foreign-data").text
    assert 'name="count"' in page and 'name="dsopts_feature_encoding"' in page
    answer = extended.get(f"/datasets/new?clone={extended.dataset}")
    page = extended.get(answer.location).text
    assert re.search(r'name="count"[^>]*value="4"', page) and "made (copy)" in page
    assert extended.get("/datasets/generic/new/other").status_code == 404


def test_errors_of_its_form(extended):
    answer = extended.post("/datasets/generic/create/foreign-data.json", {"count": "0"})
    assert answer.status_code == 400 and list(answer.get_json()["errors"]) == ["count"]
    answer = extended.post("/datasets/generic/new/foreign-data", {"count": "0"})
    assert answer.status_code == 400 and "at least 1" in answer.text
    answer = extended.post(
        "/datasets/generic/create/foreign-data.json", {"count": "1", "dsopts_num_threads": "99"}
    )
    assert list(answer.get_json()["errors"]) == ["dsopts_num_threads"]


@pytest.mark.parametrize("path", ["/etc/passwd", "~/x", "a/../../b", " /etc"])
def test_forms_name_no_files_outside_of_the_data_roots(extended, path):
    before = len(extended.foreign.CALLS)
    sent = {"count": "1", "anything": path}
    answer = extended.post("/datasets/generic/create/foreign-data.json", sent)
    assert answer.status_code == 400 and "anything" in answer.get_json()["error"]
    assert len(extended.foreign.CALLS) == before  # the extension has not seen it
    (extended.data / "there.txt").write_text("x")
    sent["anything"] = str(extended.data / "there.txt")
    answer = extended.post("/datasets/generic/create/foreign-data.json", sent)
    assert answer.status_code == 200
    extended.post(f"/jobs/{answer.get_json()['id']}/abort")


def test_a_visualization_gets_what_digits_gives_it(extended):
    page = extended.get(f"/models/{extended.model}/test").text
    assert page.count('<option value="foreign">Foreign</option>') == 3
    options = extended.get("/models/view-config/foreign").text
    assert 'name="channel"' in options and "Multiplies" in options
    extended.foreign.CALLS.clear()
    sent = {"job_id": extended.model, "split": "val", "num_test_images": "1",
            "view_extension_id": "foreign", "channel": "1", "gain": "2"}  # fmt: skip
    answer = extended.post("/models/images/generic/infer_dataset", sent)
    assert answer.status_code == 303, answer.text
    (start,) = _calls(extended, "__init__")
    assert start[1]["class_labels"] == ["dark", "red", "green"]
    assert start[1]["color_palette"][:6] == [0, 0, 0, 255, 0, 0]
    assert start[3] == {"channel": "1", "gain": 2}
    (process,) = _calls(extended, "process_data")
    assert process[2].shape == (24, 32, 3) and process[2].dtype == np.uint8
    (scores,) = process[3].values()
    assert scores.shape == (3, 24, 32)
    mask = extended.get(answer.location + "/0_mask.png").data
    assert np.array_equal(np.asarray(Image.open(_file(mask))), scores.argmax(0))
    page = extended.get(answer.location).text
    assert page.count("<iframe") == 1 and 'sandbox="allow-scripts' in page
    shown = extended.get(answer.location + "/view")
    assert 'class="foreign" src="data:image/jpeg' in shown.text and "a &lt; b" in shown.text
    assert '<div class="foreign-app">' in shown.text
    policy = shown.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts") and "form-action 'none'" in policy
    assert "same-origin" not in policy.partition(";")[0]
    script = re.search(r'<script src="([^"]*angular[^"]*)"', shown.text).group(1)
    answer = extended.get(script)
    assert answer.status_code == 200
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_options_that_are_wrong_start_nothing(extended):
    sent = {"job_id": extended.model, "entry": "val:0", "view_extension_id": "foreign", "gain": "0"}
    answer = extended.post("/models/images/generic/infer_one", sent)
    assert answer.status_code == 400 and "Gain" in answer.text
    sent["view_extension_id"] = "none"
    assert extended.post("/models/images/generic/infer_one", sent).status_code == 404
    trial = extended.post(
        "/models/images/generic/infer_one", {"job_id": extended.model, "entry": "val:0"}
    )
    assert extended.get(trial.location + "/view").status_code == 404


def test_the_datasets_own_form_picks_what_is_tested(extended):
    assert "own form" in extended.get(f"/models/{extended.model}/test").text
    page = extended.get(f"/models/{extended.model}/test/extension").text
    assert 'name="which"' in page
    sent = {"job_id": extended.model, "which": "1"}
    answer = extended.post("/models/images/generic/infer_extension", sent)
    assert answer.status_code == 303
    page = extended.get(answer.location).text
    assert "entry 0" in page and "data-truth" in page
    assert _calls(extended, "itemize_entries")[-1][1] == "test_db"
    sent["which"] = "7"
    assert extended.post("/models/images/generic/infer_extension", sent).status_code == 400


def test_what_fails_in_an_extension_is_told(extended, monkeypatch):
    def fail(self, *_):
        raise ZeroDivisionError("of the extension")

    monkeypatch.setattr(extended.foreign.Visualization, "process_data", fail)
    sent = {"job_id": extended.model, "entry": "val:0", "view_extension_id": "foreign",
            "channel": "0", "gain": "1"}  # fmt: skip
    # To browsers as a page, to scripts as JSON
    for more, kind in (({"headers": {"Accept": "text/html,*/*;q=0.8"}}, "text/html"), ({}, "json")):
        answer = extended.post("/models/images/generic/infer_one", sent, **more)
        assert answer.status_code == 500 and kind in answer.content_type
        assert "Foreign failed while showing" in answer.text and "of the extension" in answer.text
    monkeypatch.setattr(extended.foreign.DataIngestion, "encode_entry", fail)
    id_ = extended.post("/datasets/generic/create/foreign-data.json", {"count": "1"}).get_json()[
        "id"
    ]
    assert extended.take(id_) == "error"
    log = _log(extended, id_)
    assert "encoding entry 0 of train_db: ZeroDivisionError" in log and "Traceback" not in log


def test_our_plugin(extended):
    sent = {"job_id": extended.model, "entry": "val:0"}
    (id_,) = [id_ for id_ in extended.bench.extensions.views if id_ != "foreign"]
    form = extended.get(f"/models/view-config/{id_}").text
    sent["view_extension_id"] = id_
    for name, body in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'<option selected[^>]*value="([^"]*)"', body)
        sent[name] = (chosen or re.search(r'<option[^>]*value="([^"]*)"', body)).group(1)
    answer = extended.post("/models/images/generic/infer_one", sent)
    assert answer.status_code == 303, answer.text
    shown = extended.get(answer.location + "/view").text
    assert "fcn-data" in shown and "dark" in shown and "ng-app" in shown


def test_frames_get_their_scripts_without_a_session_and_nothing_else(tmp_path):
    site = Site(tmp_path, password="secret")
    assert site.get("/extensions/vendor/jquery/jquery.min.js").status_code == 200
    for wrong in ("../preview.js", "%2e%2e/preview.js", "/etc/passwd", "none.js"):
        assert site.get(f"/extensions/vendor/{wrong}").status_code in (302, 404)
    assert site.get("/extension-static/view/none/x.js").status_code == 404
    for closed in ("/models/x/tests/y/view", "/models/view-config/foreign", "/datasets/new"):
        assert site.get(closed).status_code == 302
    site.bench.close()
