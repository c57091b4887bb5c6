"""Data layers: order, wrapping around, transformations, and sources that cannot be read."""

import gc
import threading

import numpy as np
import pytest

import torchcaffe
from caffeformat import InputError, LmdbWriter, array_to_datum, parse_text, pb, write_blob

pytestmark = pytest.mark.both_modes


@pytest.fixture
def images():
    return np.random.RandomState(0).randint(0, 256, (5, 3, 8, 10), np.uint8)


@pytest.fixture
def database(tmp_path, images):
    with LmdbWriter(tmp_path / "db") as writer:
        for index, image in enumerate(images):
            writer.put(b"%04d" % index, array_to_datum(image, index).SerializeToString())
    return tmp_path / "db"


def _net(source, fields="", transform="", phase=torchcaffe.TRAIN):
    text = (
        'layer { name: "in" type: "Data" top: "data" top: "label" '
        f'data_param {{ source: "{source}" backend: LMDB batch_size: 2 {fields} }} '
        f"transform_param {{ {transform} }} }}"
    )
    return torchcaffe.Net(net_param=parse_text(text, pb.NetParameter), phase=phase)


def test_batches_come_in_order_and_wrap_round(database, images):
    net = _net(database)
    assert net.blobs["data"].shape == (2, 3, 8, 10)
    seen = []
    for _ in range(4):
        net.forward()
        labels = net.blobs["label"].data.astype(int)
        np.testing.assert_array_equal(net.blobs["data"].data, images[labels])
        seen += list(labels)
    assert seen == [0, 1, 2, 3, 4, 0, 1, 2]


def test_mean_file_is_subtracted_before_the_central_crop_and_the_scale(database, images, tmp_path):
    mean = np.random.RandomState(1).rand(1, 3, 8, 10).astype(np.float32)
    write_blob(tmp_path / "mean.binaryproto", mean)
    transform = f'mean_file: "{tmp_path}/mean.binaryproto" crop_size: 4 scale: 0.5'
    net = _net(database, transform=transform, phase=torchcaffe.TEST)
    net.forward()
    expected = (images[:2] - mean)[:, :, 2:6, 3:7] * 0.5
    np.testing.assert_allclose(net.blobs["data"].data, expected, rtol=1e-6)


def test_random_crops_and_mirrors_are_those_of_the_seed(database, images):
    batches = []
    for seed in (1, 1, 2):
        torchcaffe.set_random_seed(seed)
        net = _net(database, transform="crop_size: 5 mirror: true mean_value: 7")
        batch = [net.forward() and net.blobs["data"].data.copy() for _ in range(6)]
        batches.append(np.concatenate(batch))
    np.testing.assert_array_equal(batches[0], batches[1])
    assert (batches[0] != batches[2]).any()
    windows = np.lib.stride_tricks.sliding_window_view(images[0], (5, 5), (1, 2)) - 7.0
    windows = windows.transpose(1, 2, 0, 3, 4).reshape(-1, 3, 5, 5)
    both = np.concatenate([windows, windows[..., ::-1]])
    assert any((batches[0][0] == window).all() for window in both)


@pytest.mark.parametrize(
    ("transform", "problem"),
    [
        ("crop_size: 9", "crop_size is 9, but an image has 8 x 10"),
        ("mean_value: 1 mean_value: 2", "2 mean_value, but an image has 3 channels"),
        ('mean_value: 1 mean_file: "x"', "mean_file or mean_value, not both"),
    ],
)
def test_transform_that_does_not_fit_is_refused(database, transform, problem):
    with pytest.raises(InputError, match=f'layer "in".*{problem}'):
        _net(database, transform=transform).forward()


def test_missing_source_names_the_layer(tmp_path):
    with pytest.raises(InputError, match=r'layer "in" .*no such database'):
        _net(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r'layer "in" .*needs a source'):
        _net("")


def test_entry_that_is_no_datum_is_named(tmp_path):
    with LmdbWriter(tmp_path / "db") as writer:
        writer.put(b"bad", b"\xff\xff\xff")
    with pytest.raises(InputError, match="b'bad'"):
        _net(tmp_path / "db")


@pytest.mark.parametrize(
    ("shape", "advice"), [((1, 8, 10), "force_color or force_gray"), ((3, 7, 10), "a crop_size")]
)
def test_images_of_another_shape_in_a_batch_are_told_what_helps(tmp_path, shape, advice):
    with LmdbWriter(tmp_path / "db") as writer:
        for key, size in ((b"0", (3, 8, 10)), (b"1", shape)):
            writer.put(key, array_to_datum(np.zeros(size, np.uint8), 0).SerializeToString())
    with pytest.raises(InputError, match=rf"b'1' has the shape .* began with .*{advice}"):
        _net(tmp_path / "db").forward()


def test_a_mean_file_without_an_image_is_named(database, tmp_path):
    write_blob(tmp_path / "mean.binaryproto", np.zeros(3))
    with pytest.raises(InputError, match=r"mean\.binaryproto: expected a mean image.*found 3"):
        _net(database, transform=f'mean_file: "{tmp_path}/mean.binaryproto"')


@pytest.mark.slow
def test_reading_thread_ends_with_its_net(database):
    before = set(threading.enumerate())
    net = _net(database)
    net.forward()
    (reader,) = set(threading.enumerate()) - before
    del net
    gc.collect()
    reader.join(timeout=5)
    assert not reader.is_alive()
