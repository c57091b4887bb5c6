"""Samples of a preview, from files of scores and from nets."""

import warnings
import zipfile

import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError
from fcnkit.images import ImageForm, as_rgb
from fcnkit.web import samples
from fcnkit.web.samples import find_score_files, read_scores, stretched
from fcnkit.web.truths import Truths


def write(path, **arrays):
    whole = {"scores": np.zeros((2, 3, 4), np.float16), "blob": "score", "image": "a.png"}
    np.savez(path, **{**whole, **arrays})
    return str(path)


def test_scores_are_read(tmp_path):
    scores, blob, image = read_scores(write(tmp_path / "a_scores.npz"))
    assert scores.shape == (2, 3, 4) and (blob, image) == ("score", "a.png")


@pytest.mark.parametrize(
    "arrays",
    [
        {"scores": np.zeros((2, 3))},
        {"scores": np.zeros((2, 0, 3))},
        {"scores": np.zeros((2, 3, 4), np.int64)},
        {"scores": np.array(["a"])},
        {"image": np.array([{"a": 1}], dtype=object)},
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays):
    with pytest.raises(InputError, match="scores"):
        read_scores(write(tmp_path / "a_scores.npz", **arrays))


def test_pickles_in_score_files_are_not_read(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    path = write(tmp_path / "a_scores.npz", scores=np.array([Hostile()], dtype=object))
    with pytest.raises(InputError, match="pickle"):
        read_scores(path)
    assert not (tmp_path / "made").exists()


def test_bombs_are_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "a_scores.npz"
    np.savez_compressed(path, scores=np.zeros((2, 300, 400)), blob="score", image="a.png")
    monkeypatch.setattr(samples, "MAX_SCORE_BYTES", 1 << 20)
    with pytest.raises(InputError, match="refused"):
        read_scores(path)


def test_two_arrays_of_one_name_are_refused(tmp_path):
    path = write(tmp_path / "a_scores.npz")
    with zipfile.ZipFile(path) as archive:
        content = archive.read("scores.npy")
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")  # zipfile's, of names that are there
        archive.writestr("scores.npy", content)
    with pytest.raises(InputError, match="two arrays of one name"):
        read_scores(path)


def test_headers_that_lie_are_told(tmp_path):
    path = write(tmp_path / "a_scores.npz")
    data = (tmp_path / "a_scores.npz").read_bytes()
    for wrong in (data.replace(b"(2, 3, 4), ", b"(2, 9**9), "), data[: len(data) // 2]):
        (tmp_path / "a_scores.npz").write_bytes(wrong)
        with pytest.raises(InputError, match="cannot be read"):
            read_scores(path)


@pytest.mark.parametrize("shape", [(7, 9), (30, 40), (3, 4), (2, 40)])
def test_stretched_scores_have_the_map_that_infer_stretches(shape):
    scores = np.random.RandomState(0).standard_normal((5, 3, 4))
    classes = Image.fromarray(scores.argmax(0).astype(np.uint8))
    expected = np.asarray(classes.resize(shape[::-1], Image.NEAREST))
    np.testing.assert_array_equal(stretched(scores, shape).argmax(0), expected)


def test_score_files_are_found_below_folders_in_order(tmp_path):
    for name in ("b", "a", "sub/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(f"{tmp_path / name}_scores.npz")
    (tmp_path / "a.png").write_bytes(b"")
    assert [found.title for found in find_score_files([tmp_path])] == ["a", "b", "sub/c"]
    with pytest.raises(InputError, match="expected a folder or a file"):
        find_score_files([tmp_path / "nowhere"])


def test_images_of_many_bands_are_shown_in_the_chosen_ones(tmp_path):
    image = np.random.RandomState(0).randint(0, 65536, (3, 4, 5)).astype(np.uint16)
    np.save(tmp_path / "a.npy", image)
    write(tmp_path / "a_scores.npz", image=str(tmp_path / "a.npy"))
    shown = as_rgb(image, (4, 3, 2))
    (found,) = find_score_files([tmp_path], (4, 3, 2))
    assert np.array_equal(found.load().image, shown)

    class Net:
        output_blob, form, note = "score", ImageForm(5, "uint16"), None
        read = form.read

        def scores(self, given, name):
            assert np.array_equal(given, image)
            return np.zeros((2, 3, 4), np.float32)

    shared = samples.SharedSegmenter(Net(), (4, 3, 2))
    content = (tmp_path / "a.npy").read_bytes()
    for source in (str(tmp_path / "a.npy"), content):
        assert np.array_equal(samples.NetImage(shared, source, "a").load().image, shown)


class Dataset:
    ids = ("a",)

    def __init__(self, image):
        self._image = image

    def image(self, i, form=None):
        return (form or ImageForm()).fit(self._image)

    def label(self, i):
        return np.zeros(self._image.shape[:2], np.uint8)


def test_labels_are_found_by_what_is_shown():
    image = np.random.RandomState(0).randint(0, 65536, (3, 4, 5)).astype(np.uint16)
    truths = Truths(Dataset(image), (4, 3, 2))
    assert truths.find("a.tif", as_rgb(image, (4, 3, 2))) is not None
    assert truths.find("a.tif", as_rgb(image, (1, 2, 3))) is None
    colour = (image[..., :3] >> 8).astype(np.uint8)
    grey = ImageForm(1).fit(colour)
    assert Truths(Dataset(colour), None, ImageForm(1)).find("a", as_rgb(grey)) is not None
