"""Images of four channels in the workbench: every way to test a model gives what `infer` does."""

import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from tiny_segmentation import net_text, write_dataset

from fcnkit.commands import main

tifffile = pytest.importorskip("tifffile")


@pytest.fixture
def banded(site, needs_engine, monkeypatch):
    """A workbench with a model of images of four bands, the last of which alone tells classes."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    folder = site.data / "bands"
    write_dataset(str(folder))
    random = np.random.RandomState(0)
    for split in ("train", "val"):
        for path in sorted((folder / split / "images").iterdir()):
            with Image.open(folder / split / "labels" / path.name) as label:
                classes = np.asarray(label)
            pixels = random.randint(0, 60, (*classes.shape, 4)).astype(np.uint8)
            pixels[..., 3] += np.where(classes == 1, 90, np.where(classes == 2, 190, 0)).astype(
                np.uint8
            )
            more = {"photometric": "minisblack", "planarconfig": "contig"}
            tifffile.imwrite(path.with_suffix(".tif"), pixels, **more)
            path.unlink()
    sent = {"source": "bands", "dsopts_num_threads": "1", "dsopts_feature_encoding": "none",
            "class_labels_file": "bands/classes.txt"}  # fmt: skip
    site.dataset = site.post("/datasets/generic/create/images.json", sent).get_json()["id"]
    assert site.take(site.dataset) == "done"
    sent = {"dataset": site.dataset, "custom_network": net_text(), "train_epochs": "3",
            "learning_rate": "0.05", "random_seed": "1"}  # fmt: skip
    site.model = site.post("/models/images/generic.json", sent).get_json()["id"]
    assert site.take(site.model) == "done"
    return site


def _mask(answer):
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.data)))


@pytest.mark.slow
def test_every_source_is_read_as_the_network_takes_it(banded, tmp_path):
    image = banded.data / "bands" / "val" / "images" / "val_1.tif"
    run = banded.jobs.path(banded.model, "run")
    arguments = [str(image), "-o", str(tmp_path / "out"), "--run", run]
    assert main.run_module("fcnkit.commands.infer", arguments) == 0
    expected = np.asarray(Image.open(tmp_path / "out" / "val_1.png"))
    one = "/models/images/generic/infer_one"
    job = {"job_id": banded.model}
    assert np.array_equal(_mask(banded.post(one + ".png", {**job, "entry": "val:1"})), expected)
    sent = {**job, "image_path": "bands/val/images/val_1.tif"}
    assert np.array_equal(_mask(banded.post(one + ".png", sent)), expected)
    sent = {**job, "image_file": (io.BytesIO(image.read_bytes()), "x.tif")}
    assert np.array_equal(_mask(banded.post(one + ".png", sent)), expected)
    (scores,) = banded.post(one + ".json", {**job, "entry": "val:1"}).get_json()["outputs"].values()
    assert np.array_equal(np.argmax(scores[0], 0), expected)

    listed = io.BytesIO(b"bands/val/images/val_1.tif 0\n")
    many = "/models/images/generic/infer_many"
    found = banded.post(many + ".json", {**job, "image_list": (listed, "list.txt")}).get_json()
    (scores,) = next(iter(found["outputs"].values())).values()
    assert np.array_equal(np.argmax(scores[0], 0), expected)

    shutil.copytree(banded.jobs.path(banded.dataset, "data", "val_db", "features"),
                    banded.data / "database")  # fmt: skip
    sent = {**job, "db_path": "database"}
    found = banded.post("/models/images/generic/infer_db.json", sent).get_json()["outputs"]
    (scores,) = found[sorted(found)[1]].values()
    assert np.array_equal(np.argmax(scores[0], 0), expected)


@pytest.mark.slow
def test_pages_show_them(banded):
    sent = {"job_id": banded.model, "split": "val", "num_test_images": "3"}
    answer = banded.post("/models/images/generic/infer_dataset", sent)
    page = banded.get(answer.location).text
    assert page.count("data-viewer") == 3 and "note bad" not in page
    assert "mean IoU" in banded.get(f"/models/{banded.model}/masks").text
    place = f"{banded.model}/{banded.model}/val/1"
    found = banded.get(f"/compare/agreement/{place}.json").get_json()
    assert found["equal"] == 1 and found["mean_iou"][0] > 0.1
    for kind in ("first", "difference"):
        assert banded.get(f"/compare/pictures/{place}/{kind}").mimetype.startswith("image/")
    assert banded.get(f"/models/{banded.model}/layers?entry=val:1").status_code == 200
    query = {"dataset": banded.dataset, "augment": "usual", "augment_hue": "0.1"}
    found = banded.get("/models/samples.json", query_string=query).get_json()
    assert all("RGB" in each["words"] for each in found["samples"])
    sent = {"dataset": banded.dataset, "custom_network": net_text(), **query}
    errors = banded.post("/models/images/generic.json", sent).get_json()["errors"]
    assert "RGB" in errors["augment"][0]
    assert os.path.isdir(banded.jobs.path(banded.model, "masks"))
