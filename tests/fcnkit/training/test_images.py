"""The images that a run reads are held against its net before training, and known afterwards."""

import json
import os
import shutil

import numpy as np
import pytest
from bands import as_npy, as_png, net_text, sample, write_bands
from PIL import Image
from tiny_segmentation import write_dataset, write_solver

from caffeformat import InputError, LmdbWriter, Weights, array_to_datum, read_net, write_caffemodel
from fcnkit.data_prep import Form, create_lmdb, find_splits
from fcnkit.datasets import DatasetFolder
from fcnkit.images import ImageForm
from fcnkit.training import Recipe, read_run, train
from fcnkit.training.images import settle_images
from fcnkit.training.run_files import RunFiles


def lmdb(folder, out, **form):
    create_lmdb(*find_splits(folder), out, form=Form(**form))
    return str(out)


def settled(folder, data, text=None, weights=(), augment=None):
    """The `RunFiles` of a solver and a dataset, with their images looked at."""
    files = RunFiles(write_solver(folder, text or net_text(0, 1)), DatasetFolder(data))
    if augment is not None:
        files.augment(augment)
    files.set_sources()
    settle_images(files, weights)
    return files


def forget(data):
    """Make a dataset one of somebody else, who left no manifest."""
    os.remove(os.path.join(data, "manifest.json"))


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (4, np.uint8), (5, np.uint16)])
def test_the_data_says_what_a_net_reads_that_does_not(tmp_path, channels, dtype, is_known):
    folder = write_bands(tmp_path / "in", channels, dtype, as_npy, train=2, val=1)
    data = lmdb(folder, tmp_path / "db")
    if not is_known:
        forget(data)
    depth = "uint8" if dtype == np.uint8 else "uint16" if is_known else "float32"
    files = settled(tmp_path, data)
    assert files.form == ImageForm(channels, depth)
    files.write(str(tmp_path), (20, 30))
    shape = read_net(tmp_path / "deploy.prototxt").layer[0].input_param.shape[0].dim
    assert list(shape) == [1, channels, 20, 30]


def test_one_image_of_other_channels_is_found_before_training(tmp_path):
    data = lmdb(write_dataset(tmp_path / "in", train=4, val=1), tmp_path / "db")
    forget(data)
    features = tmp_path / "db" / "train_db" / "features"
    shutil.rmtree(features)
    with LmdbWriter(features) as writer:
        for i in range(4):
            array = np.zeros((1 if i == 3 else 3, 24, 32), np.uint8)
            writer.put(b"%09d" % i, array_to_datum(array).SerializeToString())
    with pytest.raises(InputError) as error:
        settled(tmp_path, data)
    assert error.value.for_command_line() == (
        "net 'bands' expects 3 channels (as the first image, image 1 of train_db (000000000), "
        "has), but image 4 of train_db (000000003) has 1: make the dataset with --channels color"
    )
    # The layer that reads images itself makes them alike.
    files = settled(tmp_path, data, augment={})
    assert json.loads(files.train.layer[0].python_param.param_str)["channels"] == 3


@pytest.mark.parametrize("by", ["weights", "mean", "input"])
def test_a_net_that_says_its_channels_refuses_others(tmp_path, by):
    data = lmdb(write_bands(tmp_path / "in", 1, np.uint8, as_png, train=2, val=1), tmp_path / "db")
    text, weights = net_text(0, 1), []
    if by == "weights":
        weights.append(tmp_path / "three.caffemodel")
        write_caffemodel(weights[0], Weights([("conv1", [np.zeros((8, 3, 3, 3), np.float32)])]))
    elif by == "mean":
        means = "transform_param { mean_value: 1 mean_value: 2 mean_value: 3 }"
        text = text.replace('top: "data"', f'top: "data" {means}')
    else:
        text = (
            'layer { name: "data" type: "Input" top: "data" include { stage: "deploy" } '
            "input_param { shape { dim: 1 dim: 3 dim: 20 dim: 20 } } }" + text
        )
    with pytest.raises(InputError, match=r"expects 3 channels .*but every image of .* has 1") as e:
        settled(tmp_path, data, text, weights)
    assert e.value.options == {"channels": "color"}
    settled(tmp_path, lmdb(tmp_path / "in", tmp_path / "db3", channels="color"), text, weights)


def test_folders_are_looked_at_header_by_header(tmp_path):
    data = write_dataset(tmp_path / "data", train=3, val=2)
    path = os.path.join(data, "train", "images", "train_1.png")
    with Image.open(path) as image:
        image.convert("L").save(path)
    files = settled(tmp_path, data, augment={})
    assert files.form == ImageForm(3, "uint8")
    os.remove(path)
    np.save(path.replace(".png", ".npy"), np.zeros((24, 32, 4), np.uint8))
    with pytest.raises(InputError, match=r"image 2 of train \(train_1\) has 4: make the dataset"):
        settled(tmp_path, data, augment={})
    np.save(path.replace(".png", ".npy"), np.zeros((24, 32, 3), np.uint16))
    with pytest.raises(InputError, match=r"train_1\): is 3 channels of uint16, the first image"):
        settled(tmp_path, data, augment={})
    files = settled(tmp_path, data, augment={"white": 4095})
    assert files.form == ImageForm(3, "uint8", 4095)


def test_colours_of_an_augmentation_need_rgb_before_anything_starts(tmp_path):
    folder = write_bands(tmp_path / "in", 4, np.uint8, as_npy, train=2, val=1)
    data = lmdb(folder, tmp_path / "db")
    with pytest.raises(InputError, match="has 4 channels, but saturation and hue"):
        settled(tmp_path, data, augment={"saturation": 0.2, "hue": 0.1})
    settled(tmp_path, data, augment={"brightness": 0.2, "rotate": 10})


@pytest.mark.slow
@pytest.mark.usefixtures("needs_engine")
@pytest.mark.parametrize("how", ["augment", "lmdb"])
@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (4, np.uint16)])
def test_what_was_trained_can_be_used(tmp_path, monkeypatch, channels, dtype, how):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fcnkit.training.curves.plot", lambda *_: None)
    most = float(np.iinfo(dtype).max)
    write_solver(tmp_path, net_text(-0.3 * most, 3 / most))
    data = write_bands(tmp_path / "data", channels, dtype, as_npy, train=6, val=2)
    augment = {"flip": True} if how == "augment" else None
    if how == "lmdb":
        data = lmdb(data, tmp_path / "db", bands=(2, 1, 1) if channels > 1 else None)
    outcome = train(Recipe("solver.prototxt", data, augment), "run")
    assert outcome.matrix.mean_iou > 0.8
    with open("run/inference.json") as file:
        settings = json.load(file)
    assert (settings["channels"], settings["depth"]) == (channels, np.dtype(dtype).name)
    assert settings.get("bands") == ([2, 1, 1] if how == "lmdb" and channels > 1 else None)
    segmenter = read_run("run").segmenter()
    image, label = sample(np.random.RandomState(9), channels, dtype)
    np.save("new.npy", image)
    right = (segmenter.class_map(segmenter.read("new.npy")) == label)[label != 255]
    assert right.mean() > 0.9
    np.save("other.npy", np.zeros((8, 8, channels + 1), dtype))
    with pytest.raises(InputError, match=rf"other.npy: has .* expected {channels}"):
        segmenter.read("other.npy")
    np.save("other.npy", np.zeros((8, 8, channels), np.float32))
    with pytest.raises(InputError, match=r"other.npy: holds floating point"):
        segmenter.read("other.npy")
