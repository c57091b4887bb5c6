"""Scoring a dataset: files are read and images counted beside the net, with the same outcome."""

import threading

import numpy as np
import pytest
from digits_folders import write_dataset_job

from caffeformat import InputError
from fcnkit.datasets import open_dataset
from fcnkit.images import ImageForm
from fcnkit.inference import Evaluation, Prediction, predictions_and_labels, score
from fcnkit.progress import Progress


class Images:
    """A dataset of 3 classes that notes which threads read it, and fails where it is told."""

    def __init__(self, count=6, bad_images=(), labels=None):
        random = np.random.RandomState(0)
        self.ids = [f"image {i}" for i in range(count)]
        self.arrays = [random.randint(0, 3, (4, 5, 3)).astype(np.uint8) for _ in self.ids]
        self.labels = labels or {}
        self.bad, self.threads, self.read = set(bad_images), set(), []

    def __len__(self):
        return len(self.ids)

    def image(self, i, form=None):
        self.threads.add(threading.current_thread())
        self.read.append(i)
        if i in self.bad:
            raise InputError(f"{self.ids[i]}: cannot be read")
        return self.arrays[i]

    def label(self, i):
        found = self.labels.get(i, self.arrays[i][:, :, 0])
        if isinstance(found, Exception):
            raise found
        return found


class Net:
    """A "net" whose class is the red value, seen by the caller's thread alone."""

    form, evaluation = ImageForm(3, "uint8"), Evaluation()

    def __init__(self, fail=None, stop=None):
        self.fail, self.stop, self.seen = fail, stop, []

    def predict_together(self, images, names, confidence=False):
        (image,), (name,) = images, names
        assert threading.current_thread() is threading.main_thread()
        self.seen.append(name)
        if name == self.fail:
            raise InputError(f"{name}: scores are not finite")
        if name == self.stop:
            raise KeyboardInterrupt
        return [lambda: Prediction(image[:, :, 0] % 3, None, 3)]


class Steps(Progress):
    def __init__(self):
        self.seen = []

    def step(self, done, total=None, what="", figures=None):
        self.seen.append((done, total, figures["mean_iou"]))


def test_reading_is_not_done_by_the_net_s_thread_and_scores_come_in_order():
    images, net, steps = Images(), Net(), Steps()
    board = score(predictions_and_labels(net, images), 3, progress=steps)
    assert [image.name for image in board.images] == images.ids == net.seen
    assert [step[:2] for step in steps.seen] == [(i, 6) for i in range(1, 7)]
    assert board.matrix.mean_iou == 1 and threading.main_thread() not in images.threads


def test_figures_of_a_step_are_those_of_the_images_so_far():
    labels = {2: np.zeros((4, 5), np.uint8)}
    images, steps, expected = Images(labels=labels), Steps(), Steps()
    score(predictions_and_labels(Net(), images), 3, progress=steps)
    plain = [(n, images.arrays[i][:, :, 0], images.label(i), 6) for i, n in enumerate(images.ids)]
    score(plain, 3, progress=expected)
    assert steps.seen == expected.seen and steps.seen[-1][2] < 1


def test_no_more_than_a_few_images_are_read_ahead():
    images, net = Images(count=50), Net()
    samples = predictions_and_labels(net, images)
    next(samples)
    assert len(net.seen) <= 3 and len(images.read) <= 6
    samples.close()


def test_chosen_images_alone_are_segmented():
    images = Images()
    names = [name for name, *_ in predictions_and_labels(Net(), images, range(1, 6, 2))]
    assert names == ["image 1", "image 3", "image 5"] and images.read == [1, 3, 5]


WRONG = np.full((4, 5), 7, np.uint8)


@pytest.mark.parametrize(
    ("images", "net", "problem", "reported"),
    [
        ({"bad_images": [3]}, Net(), "image 3: cannot be read", 3),
        ({"labels": {2: InputError("label 2: damaged")}}, Net(), "label 2: damaged", 2),
        ({}, Net(fail="image 4"), "image 4: scores", 4),
        ({"labels": {2: WRONG}}, Net(), "image 2: the label has class index 7", 2),
        # The first of several comes first, whatever was found out first.
        ({"labels": {2: WRONG}, "bad_images": [3]}, Net(), "image 2: the label", 2),
        ({"bad_images": [3], "labels": {3: InputError("label")}}, Net(), "image 3: cannot", 3),
        ({"labels": {2: InputError("label 2")}}, Net(fail="image 2"), "image 2: scores", 2),
        ({"labels": {2: InputError("label 2")}, "bad_images": [3]}, Net(), "label 2", 2),
    ],
)
def test_errors_are_those_of_one_after_the_other(images, net, problem, reported):
    before, steps = threading.active_count(), Steps()
    with pytest.raises(InputError, match=problem):
        score(predictions_and_labels(net, Images(**images)), 3, progress=steps)
    assert len(steps.seen) == reported and threading.active_count() == before


def test_ctrl_c_leaves_no_thread_that_reads_a_dataset_about_to_be_closed():
    before, images = threading.active_count(), Images(count=50)
    with pytest.raises(KeyboardInterrupt) as stopped:
        score(predictions_and_labels(Net(stop="image 5"), images), 3)
    # What holds the traceback must not keep the threads.
    assert threading.active_count() == before and stopped.value
    count = len(images.read)
    assert count <= 8 and len(images.read) == count


def test_databases_are_read_beside_the_net_and_closed_after_ctrl_c(tmp_path):
    pairs = write_dataset_job(tmp_path, counts={"val": 12})["val"]
    with open_dataset(tmp_path, "val") as dataset:
        made = list(predictions_and_labels(Net(), dataset))
    assert [name for name, *_ in made] == dataset.ids
    for (image, label), (_, mask, found, total) in zip(pairs, made):
        assert np.array_equal(mask, image[:, :, 0] % 3) and np.array_equal(found, label)
        assert total == 12
    for turn in range(5):
        with open_dataset(tmp_path, "val") as dataset, pytest.raises(KeyboardInterrupt):
            score(predictions_and_labels(Net(stop=dataset.ids[turn]), dataset), 3)


class Stopping(Progress):
    def step(self, done, total=None, what="", figures=None):
        if done == 3:
            raise KeyboardInterrupt


def test_ctrl_c_in_a_report_ends_the_threads_too():
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        score(predictions_and_labels(Net(), Images(count=50)), 3, progress=Stopping())
    assert threading.active_count() == before
