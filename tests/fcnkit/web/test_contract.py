"""The host calls an extension as DIGITS does: same calls, same order, same kinds of values."""

import importlib
import sys

import numpy as np
import pytest
from host_case import Client, entry_point, shown, write_net

from fcnkit.inference import Segmenter
from fcnkit.web import SharedSegmenter, digits_stand_in
from fcnkit.web.extensions import GROUPS, Extensions
from fcnkit.web.samples import find_score_files


def of(package):
    return [name for name in sys.modules if name == package or name.startswith(package + ".")]


@pytest.fixture
def stand_in(monkeypatch):
    """Make `digits` our stand-in during a test, whatever was imported before."""
    for name in of("digits") + of("flask.ext") + ["foreign_extension"]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not p.endswith("stub")])
    plugin = {name: sys.modules[name] for name in of("digits_fcn")}
    assert digits_stand_in.install()
    yield
    # The plug-in's own tests must find the modules that they have imported, and no others.
    for name in of("digits_fcn"):
        del sys.modules[name]
    sys.modules.update(plugin)
    for name in of("digits") + of("flask.ext") + ["foreign_extension"]:
        sys.modules.pop(name, None)


@pytest.fixture
def foreign(stand_in):
    """The extension's module."""
    module = importlib.import_module("foreign_extension")
    module.CALLS.clear()
    return module


@pytest.fixture
def client(foreign, scores, tmp_path):
    write_net(str(tmp_path))
    net = SharedSegmenter(Segmenter(tmp_path / "net.prototxt", tmp_path / "w.caffemodel"))
    found = Extensions(
        {
            GROUPS["view"]: [entry_point("view", "foreign_extension:Visualization")],
            GROUPS["data"]: [entry_point("data", "foreign_extension:DataIngestion")],
        }
    )
    assert not found.problems
    made = Client(find_score_files([scores]), found, ["a", "b", "c"], segmenter=net)
    foreign.CALLS.clear()
    return made


FORM = {"palette": None, "background": None, "channel": "1", "gain": "2"}


def names_of(foreign):
    # Each page's menu requests the category.
    return [call[0] for call in foreign.CALLS if call[0] != "get_category"]


@pytest.mark.slow
def test_test_one(client, foreign):
    answer = client.infer_one(**FORM)
    assert answer.status_code == 200
    assert names_of(foreign) == [
        "get_config_form",
        "__init__",
        "process_data",
        "get_view_template",
        "get_header_template",
        "get_ng_templates",
    ]
    calls = {call[0]: call for call in foreign.CALLS}
    _, userdata, dims, options = calls["__init__"]
    assert userdata["class_labels"] == ["a", "b", "c"]
    assert len(userdata["color_palette"]) == 768 and type(userdata["color_palette"][0]) is int
    assert dims == (60, 80, 3)
    assert options == {"channel": "1", "gain": 2}  # and no token
    _, _, image, outputs = calls["process_data"]
    assert image.shape == (60, 80, 3) and image.dtype == np.uint8
    assert list(outputs) == ["score"] and outputs["score"].shape == (3, 60, 80)
    assert outputs["score"].dtype.kind == "f"
    html = answer.text
    order = [
        "1 seen, a &lt; b",
        '<div class="foreign-app">',
        "Source image",
        '<img class="foreign"',
    ]
    places = [html.index(words) for words in order]
    assert places == sorted(places)
    assert "data:image/jpeg;base64," in html


def test_test_many(client, foreign):
    answer = client.infer_many(image_list=["2", "0"], **FORM)
    assert names_of(foreign) == [
        "get_config_form",
        "__init__",
        *["process_data", "get_view_template"] * 2,
        "get_header_template",
        "get_ng_templates",
    ]
    assert [call[1] for call in foreign.CALLS if call[0] == "process_data"] == ["c", "a"]
    assert "2 seen" in answer.text and answer.text.count('<img class="foreign"') == 2


def test_options_are_shown_with_digits_helpers(client, foreign):
    html = client.http.get("/models/view-config/foreign").text
    assert names_of(foreign) == ["get_config_form", "get_config_template"]
    assert 'value="3"' in html and "glyphicon-question-sign" in html
    assert "Which &#34;one&#34;" in html
    answer = client.infer_one(**{**FORM, "gain": "0"})
    assert answer.status_code == 400 and "Gain: Number must be at least 1" in answer.text


@pytest.mark.slow
def test_a_dataset_is_made_shown_and_tested(client, foreign):
    page = client.http.get("/datasets/generic/new/foreign-data").text
    assert "get_dataset_form" in names_of(foreign) and "get_dataset_template" in names_of(foreign)
    assert 'name="count"' in page
    new = "/datasets/generic/new/foreign-data"
    assert (
        client.http.post(new, data={"csrf_token": client.token(new), "count": 0}).status_code == 400
    )
    foreign.CALLS.clear()
    answer = client.http.post(new, data={"csrf_token": client.token(new), "count": 6})
    assert answer.status_code == 302 and answer.headers["Location"] == "/datasets/1"
    made = [call for call in foreign.CALLS if call[0] in ("data.__init__", "get_user_data")]
    assert made == [("data.__init__", False, {"count": 6}), ("get_user_data",)]

    foreign.CALLS.clear()
    page = client.http.get("/datasets/1").text
    assert "6 entries" in page and "1 entries" in page and "dark" in page
    assert page.count('<img src="data:image/png') == 5  # labels: four of train, one of val
    stages = [call[1] for call in foreign.CALLS if call[0] == "itemize_entries"]
    assert stages == ["train_db", "val_db"]
    # A new instance for each stage, made from the kept user data.
    assert [call[2]["count"] for call in foreign.CALLS if call[0] == "data.__init__"] == [6, 6]

    foreign.CALLS.clear()
    form = client.http.get("/datasets/inference-form/1").text
    assert 'name="which"' in form
    assert ("get_inference_form", True) in foreign.CALLS
    assert client.http.get("/datasets/inference-form/0").text == ""

    foreign.CALLS.clear()
    answer = client.post("/models/images/generic/infer_extension", dataset=1, which="1", **FORM)
    assert answer.status_code == 200, answer.text
    assert ("itemize_entries", "test_db") in foreign.CALLS and ("encode_entry", 1) in foreign.CALLS
    (process,) = [call for call in foreign.CALLS if call[0] == "process_data"]
    assert process[2][10, 10].tolist() == [0, 200, 0]
    assert process[3]["score"].argmax(0)[10, 10] == 2


def test_an_extension_that_fails_is_named(client, foreign, monkeypatch):
    def fail(*_):
        raise KeyError("<colour>")

    monkeypatch.setattr(foreign.Visualization, "process_data", fail)
    answer = client.infer_one(**FORM)
    assert answer.status_code == 500
    assert "The extension Foreign failed while showing a" in answer.text
    assert "&lt;colour&gt;" in answer.text and "Traceback" in answer.text
    assert client.http.get("/").status_code == 200


def test_extensions_that_cannot_be_loaded_are_told(stand_in, scores, tmp_path, monkeypatch):
    (tmp_path / "for_python_2.py").write_text("print 'x'\n")
    (tmp_path / "wants_more.py").write_text("from digits.webapp import app\n")
    monkeypatch.syspath_prepend(tmp_path)
    points = [entry_point("view", f"{name}:V") for name in ("for_python_2", "wants_more", "none")]
    points += [entry_point("view", "foreign_extension:Visualization")] * 2
    client = Client(find_score_files([scores]), Extensions({GROUPS["view"]: points}))
    assert list(client.preview.extensions.views) == ["foreign"]
    page = client.http.get("/").text
    for words in ("SyntaxError", "digits.webapp", "No module named", "is already that of"):
        assert words in page
    assert client.infer_one(**FORM).status_code == 200


def test_the_real_digits_is_left_alone(monkeypatch, tmp_path):
    for name in of("digits"):
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "__init__.py").write_text("real = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert not digits_stand_in.install()
    assert importlib.import_module("digits").real
    assert not digits_stand_in.install()
    for name in of("digits"):
        del sys.modules[name]


def test_our_extension_stands_on_the_stand_in(stand_in, scores, monkeypatch):
    for name in of("digits_fcn"):
        monkeypatch.delitem(sys.modules, name)
    point = entry_point("view", "digits_fcn.view:Visualization")
    found = Extensions({GROUPS["view"]: [point]})
    base = found.views["fcn-segmentation"].__mro__[1]
    assert base.__module__ == "fcnkit.web.digits_stand_in.view_interface"
    answer = Client(find_score_files([scores]), found).infer_one()
    assert len(shown(answer.text)) == 1
