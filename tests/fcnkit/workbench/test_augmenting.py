"""Augmentation in the form of a new model: the values of `--augment`, errors, samples, clones."""

import base64
import html
import io
import re

import numpy as np
import pytest
from PIL import Image
from tiny_segmentation import net_text

from fcnkit.data_prep import augmented_samples
from fcnkit.datasets import AUGMENTATION_SETS, DatasetFolder, parse_augmentation

FIELDS = {
    "augment": "gluoncv",
    "crop_size": "24x32",
    "augment_scale": "0.5:2",
    "augment_base": "none",
    "augment_draw": "log",
    "augment_pad": "random",
    "augment_interpolation": "cubic",
    "augment_flip": "no",
    "augment_rotate": "15",
    "augment_blur": "0.25:2",
    "augment_brightness": "0.2",
    "augment_contrast": "0.3",
    "augment_saturation": "0.4",
    "augment_hue": "0.05",
}


@pytest.fixture
def create(trained):
    """Ask for a model, or for the errors of its form; no model stays."""
    made = []

    def create(**fields):
        sent = {"dataset": trained.dataset, "custom_network": net_text(), "method": "custom"}
        answer = trained.post("/models/images/generic.json", {**sent, **fields}).get_json()
        if "errors" in answer:
            return answer["errors"]
        made.append(answer["id"])
        job, _ = trained.jobs.get(answer["id"])
        arguments = list(job.steps[-1].arguments)
        if "--augment" not in arguments:
            return None
        begin = arguments.index("--augment") + 1
        ends = [i for i in range(begin, len(arguments)) if arguments[i].startswith("--")]
        return arguments[begin : ends[0] if ends else None]

    yield create
    for id_ in made:
        trained.post(f"/jobs/{id_}/abort")
        answer = trained.client.delete(f"/jobs/{id_}", base_url="http://127.0.0.1:5000")
        assert answer.get_json()["status"] == "deleted"


@pytest.mark.slow
def test_fields_become_the_values_of_augment(create):
    assert create() is None
    assert create(augment="none") is None and create(augment_rotate="10") is None
    assert create(augment="own", augment_rotate="10") == ["rotate=10"]
    assert create(augment="usual") == ["scale=0.75:1.5", "flip=yes"]
    assert create(augment="usual", augment_flip="no") == ["scale=0.75:1.5", "flip=no"]
    for name in AUGMENTATION_SETS:
        assert create(augment=name) == [name]
    assert create(augment="blog", crop_size="48") == ["blog", "crop=48"]
    assert create(crop_size="16") == ["crop=16"]  # as DIGITS has it, without augmentation
    said = create(**FIELDS)
    assert said[0] == "gluoncv" and len(said) == 14
    drawn = parse_augmentation(said)
    assert drawn["crop"] == [24, 32] and drawn["base"] is None and drawn["flip"] is False
    assert {key: drawn[key] for key in ("rotate", "blur", "hue", "pad", "draw")} == {
        "rotate": 15, "blur": [0.25, 2], "hue": 0.05, "pad": "random", "draw": "log"
    }  # fmt: skip


def test_what_older_scripts_send_means_what_it_meant(create):
    sent = {"augment": "y", "augment_scale": "0.5:2", "augment_flip": "y", "crop_size": "24"}
    assert parse_augmentation(create(**sent)) == {"scale": [0.5, 2], "flip": True, "crop": [24, 24]}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("augment_scale", "x", "expected a number"),
        ("augment_scale", "2:1", "lowest and highest"),
        ("augment_base", "1.5", "whole number"),
        ("augment_draw", "often", "Not a valid choice"),
        ("augment_flip", "perhaps", "Not a valid choice"),
        ("augment_rotate", "200", "0 to 180"),
        ("augment_blur", "2:1", "probability"),
        ("augment_brightness", "nan", "0 to 1"),
        ("augment_hue", "0.7", "0 to 0.5"),
        ("crop_size", "0", "at least 1"),
        ("crop_size", "24xx", "whole number"),
        ("augment", "gluon", "Not a valid choice"),
        ("augment", "own", "fill in"),
    ],
)
def test_errors_stand_at_their_field(trained, create, field, value, words):
    sent = {"augment": "usual", field: value}
    errors = create(**sent)
    assert list(errors) == [field] and words in errors[field][0] and "--" not in errors[field][0]
    query = {"dataset": trained.dataset, **sent}
    answer = trained.get("/models/samples.json", query_string=query)
    assert answer.status_code == 400 and answer.get_json()["errors"] == errors


def _decoded(address):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def test_samples_are_those_of_a_run_with_that_seed(trained):
    query = {"dataset": trained.dataset, "seed": 5, **FIELDS, "crop_size": "40x60"}
    found = trained.get("/models/samples.json", query_string=query).get_json()
    assert found["text"].startswith("--augment gluoncv crop=40x60 scale=0.5:2")
    options = parse_augmentation(found["text"].split()[1:])
    with DatasetFolder(trained.jobs.path(trained.dataset, "data")) as folder:
        mean = folder.manifest["mean_bgr"]
        expected = list(augmented_samples(folder.split("train"), options, seed=5, mean=mean))
    assert len(found["samples"]) == len(expected) == 8
    for shown, sample in zip(found["samples"], expected):
        assert (shown["title"], shown["words"]) == (sample.id, sample.words)
        assert np.array_equal(_decoded(shown["mask"]), sample.label)
        image = _decoded(shown["image"])
        assert image.shape == (40, 60, 3)
        assert np.abs(image.astype(int) - sample.image).mean() < 12  # a JPEG


def test_samples_without_augmentation_and_too_large_ones(trained):
    address = "/models/samples.json"
    found = trained.get(address, query_string={"dataset": trained.dataset}).get_json()
    assert found["text"] == "" and len(found["samples"]) == 8
    query = {"dataset": trained.dataset, "augment": "usual", "augment_scale": "1:1.1",
             "augment_base": "10000"}  # fmt: skip
    found = trained.get(address, query_string=query).get_json()["samples"]
    assert all("pixels" in each["words"] and "image" not in each for each in found)
    query["augment_scale"] = "15:16"
    found = trained.get(address, query_string=query).get_json()["samples"]
    assert all("image" not in each for each in found)
    assert trained.get(address, query_string={"dataset": "none"}).status_code == 404


def _filled(page):
    """The values that a page's form would send, by name."""
    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and value:
            found[name.group(1)] = html.unescape(value.group(1))
    for name, body in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', page, re.S):
        chosen = re.search(r'<option selected[^>]*value="([^"]*)"', body)
        found[name] = chosen.group(1) if chosen else ""
    return found


def test_cloning_fills_the_fields_in_again(trained, create):
    create(**FIELDS)
    id_ = trained.get("/index.json").get_json()["models"][0]["id"]
    found = _filled(trained.get(f"/models/new?clone={id_}").text)
    assert {name: found[name] for name in FIELDS} == FIELDS


def test_cloning_a_model_of_an_older_version(trained):
    job, _ = trained.jobs.get(trained.model)
    old = {"augment": True, "augment_scale": "0.5:2", "augment_flip": False, "crop_size": 64}
    with trained.app.test_request_context():
        from fcnkit.workbench.model_forms import ModelForm

        form = ModelForm(formdata=None, data={**job.settings, **old})
        found = {name: form[name].data for name in old}
    assert found == {"augment": "usual", "augment_scale": "0.5:2", "augment_flip": "no",
                     "crop_size": "64"}  # fmt: skip


def test_the_page_says_what_the_sets_are(trained):
    page = trained.get("/models/new").text
    sets = html.unescape(re.search(r'data-sets="([^"]*)"', page).group(1))
    assert '"augment_rotate": "20"' in sets.partition('"blog"')[2]
