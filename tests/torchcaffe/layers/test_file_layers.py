"""Layers that read lists of images, HDF5 files and the user's arrays, or write HDF5 files."""

import os

import h5py
import numpy as np
import pytest
from PIL import Image

import torchcaffe
from caffeformat import InputError, parse_text, pb

pytestmark = pytest.mark.both_modes


def _net(text, phase=torchcaffe.TRAIN):
    return torchcaffe.Net(net_param=parse_text(text, pb.NetParameter), phase=phase)


def _image_net(source, fields=""):
    return _net(
        'layer { name: "in" type: "ImageData" top: "data" top: "label" image_data_param '
        f'{{ source: "{source}" batch_size: 2 {fields} }} }}'
    )


@pytest.fixture
def image_list(tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (3, 4, 6, 3), np.uint8)
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"image {index}.png")
    (tmp_path / "list.txt").write_text("".join(f"image {i}.png {i + 5}\n" for i in range(3)))
    return tmp_path, pixels


def test_images_of_a_list_come_with_their_labels(image_list):
    folder, pixels = image_list
    net = _image_net(folder / "list.txt", f'root_folder: "{folder}/"')
    net.forward()
    net.forward()
    assert list(net.blobs["label"].data) == [7, 5]
    bgr = pixels[[2, 0], :, :, ::-1].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(net.blobs["data"].data, bgr)


def test_a_root_folder_goes_before_names_as_they_are(image_list):
    """Lists of VOC begin their names with `/`; others need one between folder and name."""
    folder, pixels = image_list
    for root, name in (
        (folder, "/image 0.png"),
        (folder, "image 0.png"),
        ("", folder / "image 0.png"),
    ):
        (folder / "one.txt").write_text(f"{name} 3\n")
        net = _image_net(folder / "one.txt", f'root_folder: "{root}"')
        net.forward()
        bgr = pixels[0, :, :, ::-1].transpose(2, 0, 1)
        np.testing.assert_array_equal(net.blobs["data"].data[0], bgr)


def test_images_are_resized_and_turned_grey(image_list):
    folder, _ = image_list
    fields = f'root_folder: "{folder}/" new_height: 8 new_width: 9 is_color: false shuffle: true'
    net = _image_net(folder / "list.txt", fields)
    seen = set()
    for _ in range(3):
        assert net.forward()["data"].shape == (2, 1, 8, 9)
        seen.update(net.blobs["label"].data)
    assert seen == {5, 6, 7}


def test_bad_image_list_is_explained(image_list):
    folder, _ = image_list
    with pytest.raises(InputError, match=r'layer "in".*image 0\.png'):
        _image_net(folder / "list.txt")
    (folder / "bad.txt").write_text("image.png\n")
    with pytest.raises(InputError, match=r'the line "image\.png"'):
        _image_net(folder / "bad.txt")
    with pytest.raises(InputError, match="cannot read its source"):
        _image_net(folder / "none.txt")


@pytest.fixture
def hdf5_list(tmp_path):
    for number, rows in enumerate((3, 2)):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file["x"] = np.arange(rows * 4, dtype=np.float32).reshape(rows, 4) + 100 * number
            file["y"] = np.arange(rows) + 10 * number
    (tmp_path / "list.txt").write_text(f"{tmp_path}/0.h5\n{tmp_path}/1.h5\n")
    return tmp_path / "list.txt"


def _hdf5_net(source, fields="", tops='top: "x" top: "y"'):
    return _net(
        f'layer {{ name: "in" type: "HDF5Data" {tops} hdf5_data_param '
        f'{{ source: "{source}" batch_size: 2 {fields} }} }}'
    )


def test_rows_of_hdf5_files_come_in_order_and_over_again(hdf5_list):
    net = _hdf5_net(hdf5_list)
    assert net.blobs["x"].shape == (2, 4)
    labels = []
    for _ in range(4):
        labels += list(net.forward()["y"])
    assert labels == [0, 1, 2, 10, 11, 0, 1, 2]
    assert list(net.blobs["x"].data[:, 0]) == [4, 8]


def test_shuffled_hdf5_rows_are_all_seen(hdf5_list):
    net = _hdf5_net(hdf5_list, "shuffle: true")
    labels = [label for _ in range(5) for label in net.forward()["y"]]
    assert sorted(labels[:5]) == sorted(labels[5:]) == [0, 1, 2, 10, 11]


def test_missing_dataset_is_named(hdf5_list):
    with pytest.raises(InputError, match=r'layer "in".*no dataset "z"'):
        _hdf5_net(hdf5_list, tops='top: "x" top: "z"')


def test_hdf5_output_appends_every_pass(tmp_path):
    net = _net(
        'layer { name: "in" type: "Input" top: "a" top: "b" input_param '
        "{ shape { dim: 2 dim: 3 } shape { dim: 2 } } }"
        'layer { name: "out" type: "HDF5Output" bottom: "a" bottom: "b" '
        f'hdf5_output_param {{ file_name: "{tmp_path}/out.h5" }} }}'
    )
    for value in (1, 2):
        net.blobs["a"].data[...] = value
        net.forward()
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_array_equal(file["data"][:, 0], [1, 1, 2, 2])
        assert file["label"].shape == (4,)


def _output_net(path, shapes="shape { dim: 2 dim: 3 } shape { dim: 2 }"):
    return _net(
        f'layer {{ name: "in" type: "Input" top: "a" top: "b" input_param {{ {shapes} }} }}'
        'layer { name: "out" type: "HDF5Output" bottom: "a" bottom: "b" '
        f'hdf5_output_param {{ file_name: "{path}" }} }}'
    )


def test_hdf5_output_replaces_nothing_but_its_own_kind_and_only_when_it_writes(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, problem in (
        ("thesis.txt", "is there and no HDF5 file"),
        ("folder", "is a folder"),
        ("pipe", "no HDF5 file"),
        ("none/out.h5", "cannot write here"),
    ):
        with pytest.raises(InputError, match=f'layer "out".*{problem}'):
            _output_net(tmp_path / name)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    with h5py.File(tmp_path / "out.h5", "w") as file:
        file["old"] = 1
    before = (tmp_path / "out.h5").read_bytes()
    with pytest.raises(InputError, match="same number of items"):
        _output_net(tmp_path / "out.h5", "shape { dim: 2 dim: 3 } shape { dim: 3 }")
    net = _output_net(tmp_path / "out.h5")
    assert (tmp_path / "out.h5").read_bytes() == before
    net.forward()
    with h5py.File(tmp_path / "out.h5") as file:
        assert set(file) == {"data", "label"}
    net.blobs["a"].reshape(2, 4)
    with pytest.raises(InputError, match=r"holds items of the shapes \[\(3,\), \(\)\]"):
        net.forward()
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["data"].shape == (2, 3) and file["label"].shape == (2,)
    assert sorted(os.listdir(tmp_path)) == ["folder", "out.h5", "pipe", "thesis.txt"]


def test_arrays_from_memory_come_in_batches():
    net = _net(
        'layer { name: "in" type: "MemoryData" top: "x" top: "y" '
        "memory_data_param { batch_size: 2 channels: 1 height: 1 width: 3 } }"
    )
    with pytest.raises(InputError, match="no data yet"):
        net.forward()
    data = np.arange(12, dtype=np.float32).reshape(4, 1, 1, 3)
    net.set_input_arrays(data, np.arange(4))
    seen = [list(net.forward()["y"]) for _ in range(3)]
    assert seen == [[0, 1], [2, 3], [0, 1]]
    np.testing.assert_array_equal(net.blobs["x"].data, data[:2])
    with pytest.raises(InputError, match="N a multiple of 2"):
        net.set_input_arrays(data[:3], np.arange(3))


def _window_net(folder, fields="", transform=""):
    (folder / "windows.txt").write_text(
        "# 0\nimage 0.png\n3\n4\n6\n3\n7 0.9 1 0 4 3\n7 0.1 0 0 1 1\n8 0.6 2 2 5 3\n"
    )
    return _net(
        'layer { name: "in" type: "WindowData" top: "x" top: "y" window_data_param '
        f'{{ source: "{folder}/windows.txt" root_folder: "{folder}" batch_size: 4 '
        f"fg_fraction: 0.25 {fields} }} transform_param {{ crop_size: 4 {transform} }} }}"
    )


def test_windows_are_background_first_then_foreground(image_list):
    folder, pixels = image_list
    net = _window_net(folder, "fg_threshold: 0.8")
    net.forward()
    assert list(net.blobs["y"].data) == [0, 0, 0, 7]
    # A window of crop_size is cut out as it is.
    expected = pixels[0][0:4, 1:5, ::-1].transpose(2, 0, 1)
    np.testing.assert_allclose(net.blobs["x"].data[3], expected, atol=1e-3)


def test_window_past_the_image_is_padded_with_zeros(image_list):
    folder, _ = image_list
    net = _window_net(folder, "context_pad: 1 bg_threshold: 0.2")
    net.forward()
    crop = net.blobs["x"].data[0]  # the corner window with a pixel of context around it
    assert not crop[:, 0].any() and not crop[:, :, 0].any() and crop[:, 1:, 1:].all()


@pytest.mark.parametrize("label", ["x", "1.5", "2147483648", "9" * 400, "9" * 5000])
def test_labels_that_are_none_are_refused(image_list, label):
    folder, _ = image_list
    (folder / "list.txt").write_text(f"image 0.png {label}\n")
    text = (
        'layer { name: "in" type: "ImageData" top: "x" top: "y" image_data_param '
        f'{{ source: "{folder}/list.txt" root_folder: "{folder}/" batch_size: 1 }} }}'
    )
    with pytest.raises(InputError, match='layer "in"'):
        _net(text)


def test_list_that_is_not_one_of_windows_is_refused(image_list):
    folder, _ = image_list
    with pytest.raises(InputError, match="no background windows"):
        _window_net(folder, "bg_threshold: 0.05")
    (folder / "list.txt").write_text("# 0\nimage 0.png\n3\n4\n6\n2\n1 0.9 0 0 1 1\n")
    text = (
        'layer { name: "in" type: "WindowData" top: "x" top: "y" window_data_param '
        f'{{ source: "{folder}/list.txt" batch_size: 1 }} transform_param {{ crop_size: 4 }} }}'
    )
    with pytest.raises(InputError, match="is not a list of windows"):
        _net(text)


@pytest.mark.parametrize(
    ("corners", "words"),
    [
        ("3 0 1 3", "is not a list of windows: found the corners 3 0 1 3"),
        ("0 0 5000000000 3", "found the corners"),
        ("50 50 53 53", "the window 50 50 53 53 of .* lies outside the image"),
        ("-9 -9 -6 -6", "lies outside the image"),
    ],
)
def test_windows_that_are_none_are_refused(image_list, corners, words):
    folder, _ = image_list
    (folder / "list.txt").write_text(f"# 0\nimage 0.png\n3\n4\n6\n1\n0 0 {corners}\n")
    text = (
        'layer { name: "in" type: "WindowData" top: "x" top: "y" window_data_param '
        f'{{ source: "{folder}/list.txt" root_folder: "{folder}" batch_size: 1 fg_fraction: 0 }} '
        "transform_param { crop_size: 4 } }"
    )
    with pytest.raises(InputError, match=words):
        _net(text).forward()


def _net_of_source(source, fields=""):
    return _net(
        'layer { name: "in" type: "HDF5Data" top: "data" hdf5_data_param '
        f'{{ source: "{source}" batch_size: 1 }} {fields} }}'
    )


def test_hdf5_data_does_not_transform_and_says_so(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.full((1, 1), 100, np.float32)
    (tmp_path / "list.txt").write_text(f"{tmp_path / 'a.h5'}\n")
    assert _net_of_source(tmp_path / "list.txt").forward()["data"] == 100
    with pytest.raises(InputError, match="does not transform data"):
        _net_of_source(tmp_path / "list.txt", "transform_param { scale: 0.01 }")


def test_hdf5_file_as_source_is_explained(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros((1, 1), np.float32)
    with pytest.raises(InputError, match="is an HDF5 file; expected a text file that lists"):
        _net_of_source(tmp_path / "a.h5")
