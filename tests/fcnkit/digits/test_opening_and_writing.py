"""DIGITS models opened to train on, and archives written for DIGITS."""

import os
import tarfile

import numpy as np
import pytest
from digits_folders import pack, write_model
from tiny_segmentation import CLASSES

from caffeformat import InputError, read_caffemodel, read_net, read_solver
from fcnkit.digits import ModelToTrain, open_model, write_archive
from fcnkit.images import Preprocessor
from fcnkit.inference import Segmenter


@pytest.fixture
def archive(tmp_path):
    return pack(write_model(tmp_path / "model"), tmp_path / "model.tar.gz")


def test_a_download_to_train_on_is_kept(tmp_path, archive):
    folders = str(tmp_path / "run" / "files"), str(tmp_path / "run" / "training")
    os.mkdir(tmp_path / "run")
    solver, weights = ModelToTrain(archive).open(*folders)
    assert os.path.samefile(os.path.dirname(weights), folders[0])
    assert os.path.samefile(os.path.dirname(solver), folders[1])
    assert os.path.isfile(read_solver(solver).net)
    os.remove(archive)  # it is not needed again
    assert ModelToTrain(archive).open(*folders) == (solver, weights)


def test_a_folder_to_train_on_stays_where_it_is(tmp_path):
    folder = write_model(tmp_path / "model")
    before = sorted(os.listdir(folder))
    _, weights = ModelToTrain(folder).open(str(tmp_path / "files"), str(tmp_path / "training"))
    assert os.path.samefile(os.path.dirname(weights), folder)
    assert not os.path.exists(tmp_path / "files") and sorted(os.listdir(folder)) == before


def test_an_archive_is_unpacked_where_it_is_asked_for(tmp_path, archive):
    model = open_model(archive, tmp_path / "unpacked")
    assert os.path.samefile(model.folder, tmp_path / "unpacked")
    assert sorted(os.listdir(model.folder)) == sorted(os.listdir(tmp_path / "model"))
    with pytest.raises(InputError):
        open_model(archive, tmp_path / "unpacked")  # holds a model already


def deployed(folder):
    net = read_net(os.path.join(folder, "deploy.prototxt"))
    return net, read_caffemodel(os.path.join(folder, "snapshot_iter_30.caffemodel"))


def test_a_scale_becomes_a_layer_and_scores_stay(tmp_path, needs_engine):
    folder = write_model(tmp_path / "model")
    net, weights = deployed(folder)
    preprocessor = Preprocessor(np.array([10, 20, 30], np.float32), 0.25)
    path = tmp_path / "ours.tar.gz"
    files = write_archive(path, net, weights, preprocessor, CLASSES, iteration=7)
    with tarfile.open(path) as written:
        assert written.getnames() == files and files[0] == "info.json"
    model = open_model(path)  # its files are there as long as it is
    run = model.run
    assert os.path.basename(run.weights) == "snapshot_iter_7.caffemodel"
    assert list(run.names) == CLASSES and run.scale == 1  # DIGITS has none
    before, after = ([layer.type for layer in n.layer] for n in (net, read_net(run.net)))
    assert after.count("Power") == before.count("Power") + 1
    image = np.random.RandomState(0).randint(0, 256, (24, 32, 3)).astype(np.uint8)
    theirs = Segmenter(run.net, run.weights, Preprocessor(run.mean, run.scale))
    ours = Segmenter(
        os.path.join(folder, "deploy.prototxt"),
        os.path.join(folder, "snapshot_iter_30.caffemodel"),
        preprocessor,
    )
    expected = np.array(ours.scores(image))
    np.testing.assert_allclose(theirs.scores(image), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "preprocessor", "words"),
    [
        (None, Preprocessor(channels="RGB"), "DIGITS feeds nets with BGR, this one reads RGB"),
        (
            None,
            Preprocessor(np.zeros((3, 5, 5), np.float32)),
            r"the mean has the shape \(3, 5, 5\)",
        ),
        (None, Preprocessor(np.zeros(4, np.float32)), r"the mean has the shape \(4,\)"),
        ("input", None, "this one has the inputs data, other and the outputs score, other_top"),
        ("output", None, "the outputs score, other_top"),
    ],
)
def test_what_digits_cannot_feed_is_refused(tmp_path, change, preprocessor, words):
    net, weights = deployed(write_model(tmp_path / "model"))
    if change == "input":
        layer = net.layer.add(name="other", type="Input", top=["other"])
        layer.input_param.shape.add(dim=[1, 3, 24, 32])
    if change is not None:
        bottom = "other" if change == "input" else "data"
        net.layer.add(name="more", type="ReLU", bottom=[bottom], top=["other_top"])
    with pytest.raises(InputError, match=words):
        write_archive(tmp_path / "ours.tar.gz", net, weights, preprocessor)
    assert not os.path.exists(tmp_path / "ours.tar.gz")
