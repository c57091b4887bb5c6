import numpy as np
import pytest

from caffeformat import InputError
from fcnkit.datasets import BatchLoader, Order
from fcnkit.datasets.augmentation import Augmentation, draw, whole
from fcnkit.datasets.rendering import sample
from fcnkit.images import Preprocessor


class Blocks:
    """Images of blocks whose red channel is ten times the label, in three sizes."""

    sizes = [(40, 60), (50, 50), (30, 80)]

    def __init__(self, n=3):
        self.ids = [f"blocks_{i}" for i in range(n)]
        self.reads = 0

    def __len__(self):
        return len(self.ids)

    def label(self, i):
        height, width = self.sizes[i % 3]
        rows, columns = np.mgrid[:height, :width]
        return ((rows // 10 + 2 * (columns // 10) + i) % 7).astype(np.uint8)

    def image(self, i, form=None):
        self.reads += 1
        label = self.label(i)
        return np.stack([label * 10, np.full_like(label, 100 + i), label * 0], axis=2)


def loader(dataset, size=2, augmentation=None, *, threads=2, cache_mb=512, classes=None, **order):
    memory = {"threads": threads, "cache_mb": cache_mb, "classes": classes}
    return BatchLoader(dataset, size, Preprocessor(), augmentation, Order(**order), **memory)


def taken(loader, n):
    batches = [loader.next() for _ in range(n)]
    loader.close()
    return batches


def test_image_and_label_stay_together_under_scale_crop_and_flip():
    augmentation = Augmentation((33, 47), (0.5, 2.0), True)
    for data, labels in taken(loader(Blocks(), 4, augmentation, seed=3, shuffle=True), 6):
        assert data.shape == (4, 3, 33, 47) and labels.shape == (4, 1, 33, 47)
        assert data.dtype == labels.dtype == np.float32
        red, covered = data[:, 2], labels[:, 0] != 255
        assert np.array_equal(covered, data[:, 1] > 0)
        # Red follows the label except where interpolation mixes pixels at the blocks' borders.
        agree = np.abs(red - labels[:, 0] * 10) < 5
        assert agree[covered].mean() > 0.85


def test_the_seed_alone_decides():
    augmentation = Augmentation((20, 20), (0.8, 1.3), True)

    def run(**options):
        return taken(loader(Blocks(), 2, augmentation, shuffle=True, **options), 5)

    first, again, other = run(seed=1, threads=1), run(seed=1, threads=4), run(seed=2)
    assert all(np.array_equal(a, b) for x, y in zip(first, again) for a, b in zip(x, y))
    assert not all(np.array_equal(x[0], y[0]) for x, y in zip(first, other))
    resumed = taken(loader(Blocks(), 2, augmentation, shuffle=True, seed=1, start=6), 2)
    assert all(np.array_equal(a, b) for x, y in zip(first[3:], resumed) for a, b in zip(x, y))


def test_every_image_comes_once_per_epoch():
    for shuffle in (False, True):
        dataset = Blocks(9)
        augmentation = Augmentation((10, 10))
        batches = taken(loader(dataset, 3, augmentation, shuffle=shuffle), 6)
        seen = [int(v) - 100 for data, _ in batches for v in data[:, 1].max((1, 2))]
        assert sorted(seen[:9]) == sorted(seen[9:]) == list(range(9))
        assert (seen[:9] == list(range(9))) != shuffle


def test_whole_images_are_padded_to_the_largest_and_epochs_end_with_a_smaller_batch():
    batches = taken(loader(Blocks(3), 2), 3)
    assert [data.shape for data, _ in batches] == [(2, 3, 50, 60), (1, 3, 30, 80), (2, 3, 50, 60)]
    data, labels = batches[0]
    assert np.array_equal(labels[0, 0, :40], Blocks().label(0))
    assert (labels[0, 0, 40:] == 255).all() and (data[0, :, 40:] == 0).all()


def test_mean_and_scale_leave_padding_at_zero():
    batches = BatchLoader(Blocks(3), 1, Preprocessor([1, 2, 3], 0.5), Augmentation((60, 90)))
    data, labels = batches.next()
    batches.close()
    inside = labels[0, 0] != 255
    assert (data[0][:, ~inside] == 0).all()
    assert (data[0, 1][inside] == (100 - 2) * 0.5).all()


@pytest.mark.parametrize("scale", [0.37, 0.8, 1.0, 1.7])
def test_sampling_the_crop_equals_cropping_the_resized_image(scale):
    from PIL import Image

    random = np.random.RandomState(0)
    image = random.randint(0, 256, (90, 120, 3)).astype(np.uint8)
    placement = draw(Augmentation((40, 40), (scale, scale)), (90, 120), random).placement
    size = (round(120 * scale), round(90 * scale))
    for smooth, method in ((True, Image.BILINEAR), (False, Image.NEAREST)):
        resized = np.asarray(Image.fromarray(image).resize(size, method))
        top, left, bottom, right = placement.window
        row = round(placement.source[0] * size[1] / 90)
        column = round(placement.source[1] * size[0] / 120)
        expected = resized[row : row + bottom - top, column : column + right - left]
        off = np.abs(sample(image, placement, smooth).astype(int) - expected).max(2)
        # Where a result pixel's centre falls between two, either is the nearest.
        assert (off <= 1).mean() > (0.999 if smooth else 0.9)


def test_decoded_images_are_kept_only_while_they_fit():
    kept, dropped = Blocks(), Blocks()
    taken(loader(kept, 3, threads=1), 5)
    taken(loader(dropped, 3, threads=1, cache_mb=0), 5)
    assert kept.reads == 3 and dropped.reads >= 15


def test_whole_placement_is_the_identity():
    label = Blocks().label(0)
    assert np.array_equal(sample(label, whole(label.shape), False), label)


class Broken(Blocks):
    def image(self, i, form=None):
        return super().image(i, form)[: 49 if i == 1 else None]


@pytest.mark.parametrize(
    ("dataset", "options", "words"),
    [
        (Broken(), {}, ["blocks_1", "50x50", "50x49"]),
        (Blocks(), {"classes": 4}, ["blocks_0", "index 6", "4 classes"]),
        (Blocks(0), {}, ["empty"]),
        (Blocks(), {"size": 0}, ["at least one"]),
    ],
)
def test_wrong_data_is_named(dataset, options, words):
    with pytest.raises(InputError) as caught:
        batches = loader(dataset, **options)
        try:
            taken(batches, 2)
        finally:
            batches.close()
    assert all(word in str(caught.value) for word in words)


def test_solvers_that_train_together_take_batches_in_turn():
    alone = taken(loader(Blocks(), 2), 6)
    for rank in (0, 1):
        own = taken(loader(Blocks(), 2, turn=(rank, 2)), 3)
        for (data, labels), (all_data, all_labels) in zip(own, alone[rank::2]):
            np.testing.assert_array_equal(data, all_data)
            np.testing.assert_array_equal(labels, all_labels)
