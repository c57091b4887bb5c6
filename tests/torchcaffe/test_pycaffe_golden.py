"""caffe.io, Classifier and Detector return what tests/bvlc/pycaffe_golden.py measured."""

import io as streams

import numpy as np
import pytest
from PIL import Image

import torchcaffe as caffe
from caffeformat import InputError

pytestmark = pytest.mark.both_modes

SETTINGS = {
    "mean": np.array([3.0, 2.0, 1.0]),
    "input_scale": 0.5,
    "raw_scale": 10,
    "channel_swap": (2, 1, 0),
}


@pytest.fixture(scope="module")
def golden(repo):
    """name -> array of the two golden files."""
    found = {}
    for name in ("io", "predictions"):
        with np.load(repo / f"tests/golden/pycaffe/{name}.npz") as file:
            found.update(file)
    return found


@pytest.fixture
def files(golden, tmp_path):
    """Paths of the golden net and weights."""
    (tmp_path / "net.prototxt").write_text(str(golden["net"]))
    (tmp_path / "w.caffemodel").write_bytes(golden["weights"].tobytes())
    return str(tmp_path / "net.prototxt"), str(tmp_path / "w.caffemodel")


def test_images_are_resized_as_in_pycaffe(golden):
    cases = [key for key in golden if key.startswith("out:") and key.count(":") == 4]
    assert len(cases) == 36
    for key in cases:
        _, channels, height, width, order = key.split(":")
        found = caffe.io.resize_image(
            golden[f"in:{channels}"], (int(height), int(width)), interp_order=int(order)
        )
        np.testing.assert_allclose(found, golden[key], atol=2e-5, err_msg=key)


@pytest.mark.parametrize("name", ["rgb", "grey", "alpha", "rgb:grey", "grey:grey"])
def test_images_are_loaded_as_in_pycaffe(golden, name):
    kind, _, grey = name.partition(":")
    file = streams.BytesIO(golden[f"file:{kind}"].tobytes())
    found = caffe.io.load_image(file, color=not grey)
    np.testing.assert_allclose(found, golden[f"out:{name}"], atol=1e-6)


def test_crops_and_means_of_another_size(golden):
    images = [golden["in:3"], golden["in:3"] * 2]
    np.testing.assert_array_equal(caffe.io.oversample(images, (6, 9)), golden["out:oversample"])
    for name in ("whole", "same"):
        transformer = caffe.io.Transformer({"data": (1, 3, 6, 7)})
        transformer.set_transpose("data", (2, 0, 1))
        transformer.set_mean("data", golden[f"in:mean_{name}"])
        found = transformer.preprocess("data", golden["in:3"])
        np.testing.assert_allclose(found, golden[f"out:mean_{name}"], atol=1e-5)


def test_a_classifier_predicts_as_in_pycaffe(golden, files):
    classifier = caffe.Classifier(*files, image_dims=(12, 14), **SETTINGS)
    images = [golden[f"image:{number}"] for number in range(3)]
    for oversample, name in ((True, "oversampled"), (False, "center")):
        found = classifier.predict(images, oversample)
        np.testing.assert_allclose(found.reshape(3, -1), golden[name].reshape(3, -1), atol=1e-5)


def test_a_detector_scores_windows_as_in_pycaffe(golden, files, tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(golden["pixels"]).save(path)
    detector = caffe.Detector(*files, **SETTINGS)
    found = detector.detect_windows([(path, golden["windows"])])
    assert [one["filename"] for one in found] == [path] * 3
    np.testing.assert_array_equal([one["window"] for one in found], golden["windows"])
    predictions = [one["prediction"] for one in found]
    np.testing.assert_allclose(predictions, golden["detections"], atol=1e-5)


def test_context_around_a_window_is_seen_and_the_mean_beyond_the_image(files):
    detector = caffe.Detector(*files, mean=np.array([3.0, 2.0, 1.0]), context_pad=2)
    ramp = np.broadcast_to(np.arange(40.0)[:, None, None], (40, 40, 3)).astype(np.float32)
    crop = detector.crop(ramp, np.array([10, 10, 30, 30]))
    # Five of nine pixels show the window's 21 rows; two at each side what is around.
    assert crop.shape == (9, 9, 3) and crop[4, 4, 0] == pytest.approx(20.5, abs=1)
    assert crop[1, 4, 0] < 10 < 30 < crop[7, 4, 0]
    corner = detector.crop(ramp, np.array([0, 0, 20, 20]))
    np.testing.assert_array_equal(corner[0, 0], [3, 2, 1])


def test_what_cannot_be_is_refused(files, tmp_path):
    detector = caffe.Detector(*files)
    with pytest.raises(InputError, match="Selective Search"):
        detector.detect_selective_search(["a.png"])
    path = tmp_path / "image.png"
    Image.new("RGB", (8, 8)).save(path)
    with pytest.raises(InputError, match="window"):
        detector.detect_windows([(path, [[0, 0, 9, 8]])])
    with pytest.raises(InputError, match="context_pad"):
        caffe.Detector(*files, context_pad=5)
    with pytest.raises(InputError, match="image_dims"):
        caffe.Classifier(*files, image_dims=(4, 4))
    with pytest.raises(InputError, match="at least one image"):
        caffe.Classifier(*files).predict([])
