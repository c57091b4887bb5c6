"""TensorBoard's event files: what a run writes, read by TensorBoard's own reader."""

import os
import sys

import numpy as np
import pytest
from PIL import Image
from tiny_segmentation import write_dataset, write_solver

from caffeformat import InputError
from fcnkit.training import Recipe, Start, curves, parse_log, train

reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
pytestmark = pytest.mark.usefixtures("needs_engine")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda *_: None)
    write_solver(
        tmp_path,
        max_iter=20,
        display=5,
        test_interval=10,
        snapshot=10,
        lr_policy='"poly"',
        power=0.9,
    )
    return tmp_path


def run(data, *overrides, **start):
    recipe = Recipe("solver.prototxt", data, augment={}, overrides=overrides, tensorboard=True)
    train(recipe, "run", Start(**start))
    events = reader.EventAccumulator("run/tensorboard", {reader.IMAGES: 0, reader.HISTOGRAMS: 0})
    return events.Reload()


def scalars(events, tag):
    return {event.step: event.value for event in events.Scalars(tag)}


def test_a_run_writes_scalars_histograms_and_pictures(data):
    events = run(data)
    rows = {row["iteration"]: row for row in parse_log("run/train.log")}
    for tag, column in (
        ("loss/smoothed", "loss"),
        ("learning_rate", "lr"),
        ("loss/test", "test_loss"),
        ("mean_iou/test", "test_mean_iou"),
        ("mean_accuracy/test", "test_mean_accuracy"),
        ("frequency_weighted_iou/test", "test_frequency_weighted_iou"),
        ("pixel_accuracy/train", "train_pixel_accuracy"),
    ):
        logged = {step: row[column] for step, row in rows.items() if column in row}
        assert scalars(events, tag) == pytest.approx(logged, rel=1e-4, abs=1e-7)
    assert {"conv1/0", "conv1/1", "score/0"} <= set(events.Tags()["histograms"])
    last = events.Histograms("score/0")[-1]
    assert last.step == 20 and sum(last.histogram_value.bucket) == last.histogram_value.num == 24
    assert list(events.Tags()["images"]) == [f"masks/{n:02d}" for n in range(3)]
    pictures = events.Images("masks/00")
    assert [picture.step for picture in pictures] == [0, 10, 20]
    (first, last) = (_pixels(pictures[0]), _pixels(pictures[-1]))
    assert first.shape == (24, 3 * 32, 3)
    # The image as it is in the dataset, its label in its colours, and masks that change.
    with Image.open(os.path.join(data, "val", "images", "val_0.png")) as image:
        assert np.array_equal(first[:, :32], np.asarray(image))
    assert np.array_equal(first[:, :64], last[:, :64])
    assert not np.array_equal(first[:, 64:], last[:, 64:])
    with Image.open(os.path.join(data, "val", "labels", "val_0.png")) as label:
        assert np.array_equal(first[:, 32:64], np.asarray(label.convert("RGB")))


def _pixels(picture):
    import io

    return np.asarray(Image.open(io.BytesIO(picture.encoded_image_string)))


@pytest.mark.slow
def test_a_resumed_run_continues_its_curves(data):
    run(data, ("max_iter", "14"))
    os.remove("run/snap_iter_14.caffemodel")
    events = run(data, resume=True)
    assert list(scalars(events, "loss/smoothed")) == [0, 5, 10, 15]
    assert list(scalars(events, "mean_iou/test")) == [0, 10, 20]


@pytest.mark.slow
def test_a_run_begun_anew_has_only_its_own_curves(data):
    run(data)
    recipe = Recipe("solver.prototxt", data, augment={}, overrides=[("max_iter", "5")])
    train(recipe, "run", force=True)
    assert os.listdir("run/tensorboard") == []


def test_without_the_package_the_option_is_refused_before_anything_is_written(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat", None)
    with pytest.raises(InputError, match="tensorboard=True needs the package tensorboard"):
        run(data)
    assert not os.path.exists("run")
