"""Datasets that our data extension makes in the preview: their form, their page, tests on them."""

import base64
import io
import re

import numpy as np
import pytest
from host_case import OPTIONS, Client, mask_of, shown, write_net
from PIL import Image
from voc_archive import IDS, voc_files, write_archive

from fcnkit.images import voc_class_names, voc_palette
from fcnkit.inference import Segmenter
from fcnkit.web import SharedSegmenter
from fcnkit.web.samples import find_score_files

NEW = "/datasets/generic/new/fcn-voc-segmentation"
TEST = "/models/images/generic/infer_extension"


@pytest.fixture
def devkit(tmp_path):
    return write_archive("folder", tmp_path, voc_files())


@pytest.fixture
def segmenter(tmp_path):
    write_net(str(tmp_path))
    return Segmenter(tmp_path / "net.prototxt", tmp_path / "w.caffemodel")


@pytest.fixture
def client(scores, extensions, segmenter):
    shared = SharedSegmenter(segmenter)
    return Client(find_score_files([scores]), extensions, segmenter=shared)


def create(client, source, **fields):
    fields = {"train_set": "train", "val_set": "val", "label_kind": "auto", **fields}
    sent = {"csrf_token": client.token(NEW), "source": str(source), **fields}
    return client.http.post(NEW, data=sent)


def pictures(page, stage):
    """The (image, label) pairs of a stage on a dataset's page, as Pillow images."""
    part = page.split(f"<h3>{stage} ")[1].split("<h3>")[0]
    found = [
        Image.open(io.BytesIO(base64.b64decode(data)))
        for data in re.findall(r'<img src="data:image/\w+;base64,([^"]+)"', part)
    ]
    return list(zip(found[::2], found[1::2]))


def test_a_dataset_is_shown_with_its_names_colours_and_first_entries(client, devkit):
    assert 'name="source"' in client.http.get(NEW).text
    answer = create(client, devkit)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/datasets/1")
    page = client.http.get("/datasets/1").text
    names = re.findall(r'<td class="host-name">(.*?)</td>', page)
    assert names == voc_class_names()
    assert "background: rgb(128, 0, 0)" in page  # aeroplane's colour
    found = pictures(page, "train_db")
    assert len(found) == 3 and len(pictures(page, "val_db")) == 1
    for id_, (image, label) in zip(IDS["train"], found):
        with Image.open(devkit / "VOC2012" / "SegmentationClass" / f"{id_}.png") as written:
            np.testing.assert_array_equal(np.asarray(label), np.asarray(written))
            assert image.size == written.size
        colours = np.array(label.getpalette("RGB")).reshape(-1, 3)
        np.testing.assert_array_equal(colours[:21], voc_palette()[:21])


def test_the_dataset_that_was_given_has_names_only(client):
    page = client.http.get("/datasets/0").text
    assert "was not made by a data extension" in page
    assert client.http.get("/datasets/inference-form/0").text == ""
    answer = client.post(TEST, dataset=0, **OPTIONS)
    assert answer.status_code == 400 and "made by a data extension" in answer.text


def test_what_is_wrong_with_a_source_stands_at_its_field(client, tmp_path):
    for source, words in (("", "Enter the path"), (tmp_path / "none", "none")):
        answer = create(client, source)
        assert answer.status_code == 400 and words in answer.text
        assert answer.text.count("has-error") == 1
    assert len(client.preview.datasets) == 1


def test_validation_images_are_tested_as_the_network_sees_them(client, devkit, segmenter):
    create(client, devkit)
    (id_,) = IDS["val"]
    form = client.http.get("/datasets/inference-form/1").text
    assert re.findall(r'<option value="([^"]+)"', form) == [id_]
    answer = client.post(TEST, dataset=1, pick=id_, pick_count=1, **OPTIONS)
    assert answer.status_code == 200, answer.text
    (sample,) = shown(answer.text)
    with Image.open(devkit / "VOC2012" / "JPEGImages" / f"{id_}.jpg") as image:
        scores = segmenter.scores(np.asarray(image))
    np.testing.assert_array_equal(mask_of(sample)[0], scores.argmax(0))
    answer = client.post(TEST, dataset=1, pick_count=5, **OPTIONS)
    assert answer.status_code == 400 and "Enter a smaller number" in answer.text


def test_without_a_network_nothing_can_be_tested(scores, extensions, devkit):
    client = Client(find_score_files([scores]), extensions)
    create(client, devkit)
    answer = client.post(TEST, dataset=1, pick_count=1, **OPTIONS)
    assert answer.status_code == 400 and "start it with one" in answer.text
