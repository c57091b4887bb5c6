"""DIGITS models opened to train on, and archives written for DIGITS."""

import os
import tarfile

import numpy as np
import pytest
from digits_folders import pack, write_model
from tiny_segmentation import CLASSES

from caffeformat import InputError, read_caffemodel, read_net, read_solver
from fcnkit.digits import open_for_training, open_model, write_archive
from fcnkit.images import Preprocessor
from fcnkit.inference import Segmenter


@pytest.fixture
def archive(tmp_path):
    return pack(write_model(tmp_path / "model"), tmp_path / "model.tar.gz")


def test_a_download_to_train_on_stays_in_the_output(tmp_path, archive):
    output = tmp_path / "run"
    model, solver = open_for_training(archive, output)
    kept = output / "digits_model"
    assert os.path.samefile(model.folder, kept / "files")
    assert os.path.samefile(os.path.dirname(solver), kept / "training")
    assert os.path.isfile(read_solver(solver).net)
    os.remove(archive)  # it is not needed again
    again, solver_again = open_for_training(archive, output, resume=True)
    assert (again.folder, solver_again) == (model.folder, solver)
    assert again.weights == model.weights


def test_what_an_earlier_run_left_is_replaced_only_by_force(tmp_path, archive):
    output = tmp_path / "run"
    model, _ = open_for_training(archive, output)
    with pytest.raises(InputError, match="resume=True to continue it or force=True to replace it"):
        open_for_training(archive, output)
    (tmp_path / "run" / "digits_model" / "files" / "snapshot_iter_31.caffemodel").touch()
    model, _ = open_for_training(archive, output, force=True)
    assert not os.path.exists(os.path.join(model.folder, "snapshot_iter_31.caffemodel"))
    notes = tmp_path / "run" / "digits_model" / "notes.txt"
    notes.write_text("mine")
    with pytest.raises(InputError, match=r"holds more than a run leaves \(notes.txt\)"):
        open_for_training(archive, output, force=True)
    assert notes.read_text() == "mine"


def test_an_output_within_the_model_is_refused(tmp_path):
    folder = write_model(tmp_path / "model")
    before = sorted(os.listdir(folder))
    with pytest.raises(InputError, match="choose another output"):
        open_for_training(folder, os.path.join(folder, "run"))
    assert sorted(os.listdir(folder)) == before


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
