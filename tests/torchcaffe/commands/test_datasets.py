"""convert_imageset, compute_image_mean and extract_features write what Caffe's own tools wrote."""

import os

import numpy as np
import pytest
from PIL import Image

from caffeformat import (
    LmdbWriter,
    Weights,
    array_to_datum,
    datum_to_array,
    open_database,
    pb,
    read_blob,
    write_caffemodel,
)
from torchcaffe.__main__ import main


@pytest.fixture
def files(golden):
    return golden / "files"


def entries(path, backend="LMDB"):
    with open_database(path, backend) as database:
        return list(database.items())


def datum(value):
    message = pb.Datum()
    message.ParseFromString(value)
    return message


def convert(files, target, *flags):
    return main(["convert_imageset", *flags, f"{files}/images/", f"{files}/list.txt", str(target)])


@pytest.mark.parametrize(
    ("expected", "flags"),
    [
        ("lmdb_raw_resized", ["-resize_height=16", "-resize_width=20"]),
        ("lmdb_gray", ["-resize_height=16", "--resize_width=20", "-gray"]),
    ],
)
def test_lmdb_is_caffes_to_the_byte_of_every_entry(files, tmp_path, expected, flags):
    assert convert(files, tmp_path / "db", *flags) == 0
    assert entries(tmp_path / "db") == entries(files / expected)


def test_leveldb_is_caffes_to_the_byte_of_its_files(files, tmp_path):
    flags = ["-backend", "leveldb", "-resize_height=16", "-resize_width=20"]
    assert convert(files, tmp_path / "db", *flags) == 0
    for name in ("CURRENT", "MANIFEST-000002", "000003.log"):
        assert (tmp_path / "db" / name).read_bytes() == (files / "leveldb_raw" / name).read_bytes()


def test_encoded_images_are_caffes_to_the_byte(files, tmp_path):
    assert convert(files, tmp_path / "db", "-encoded") == 0
    assert entries(tmp_path / "db") == entries(files / "lmdb_encoded_png")


def test_image_files_are_stored_untouched_unless_their_format_changes(files, tmp_path):
    assert convert(files, tmp_path / "png", "-encoded") == 0
    assert datum(entries(tmp_path / "png")[0][1]).data == (files / "images/0.png").read_bytes()
    assert convert(files, tmp_path / "jpg", "-encode_type=jpg") == 0
    assert datum(entries(tmp_path / "jpg")[0][1]).data.startswith(b"\xff\xd8")


def test_names_with_blanks_missing_images_and_a_root_without_slash(files, tmp_path, capfd):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (4, 3), (1, 2, 3)).save(tmp_path / "images" / "a b.png")
    (tmp_path / "list.txt").write_text("missing.png 1\na b.png -7\n")
    argv = ["convert_imageset", str(tmp_path / "images"), str(tmp_path / "list.txt")]
    assert main([*argv, str(tmp_path / "db")]) == 0
    ((key, value),) = entries(tmp_path / "db")
    assert (key, datum(value).label) == (b"00000001_a b.png", -7)
    assert datum_to_array(datum(value))[:, 0, 0].tolist() == [3, 2, 1]
    assert "missing.png: no such file; it is left out" in capfd.readouterr().err


def test_shuffle_keeps_every_image_with_its_label(files, tmp_path):
    assert convert(files, tmp_path / "db", "-shuffle") == 0
    found = {key[9:]: datum(value).label for key, value in entries(tmp_path / "db")}
    assert found == {f"{index}.png".encode(): index % 3 for index in range(6)}


def test_names_that_are_no_utf_8_are_keys_as_they_are(tmp_path):
    name = b"caf\xe9.png"
    Image.new("RGB", (4, 4)).save(os.fsdecode(os.fsencode(tmp_path) + b"/" + name), "PNG")
    (tmp_path / "list.txt").write_bytes(name + b" 3\n")
    argv = [f"{tmp_path}/", f"{tmp_path}/list.txt", f"{tmp_path}/db"]
    assert main(["convert_imageset", *argv]) == 0
    assert [key for key, _ in entries(tmp_path / "db")] == [b"00000000_" + name]


@pytest.mark.parametrize(
    ("text", "flags", "problem"),
    [
        ("0.png\n", [], "list.txt:1: found"),
        ("", [], "the list is empty"),
        ("nothing.png 0\n", [], "none of its images"),
        ("0.png 0\n1.png 2147483648\n", [], "list.txt:2: the label 2147483648"),
        ("0.png 0\n", ["-backend=hdf5"], "expected lmdb or leveldb"),
        ("0.png 0\n1.png 1\n", ["-check_size"], "1.png: has the shape"),
        ("0.png 0\n", ["-encode_type=tif"], "expected jpg, jpeg, png"),
    ],
)
def test_list_that_cannot_be_converted_is_reported(files, tmp_path, capfd, text, flags, problem):
    (tmp_path / "list.txt").write_text(text)
    argv = [f"{files}/images/", str(tmp_path / "list.txt"), str(tmp_path / "db")]
    assert main(["convert_imageset", *flags, *argv]) == 1
    assert problem in capfd.readouterr().err
    assert not (tmp_path / "db").exists()


def test_database_that_is_there_is_not_overwritten(files, tmp_path, capfd):
    for backend in ("lmdb", "leveldb"):
        assert convert(files, tmp_path / backend, f"-backend={backend}") == 0
        before = entries(tmp_path / backend, backend.upper())
        assert convert(files, tmp_path / backend, f"-backend={backend}", "-gray") == 1
        assert "already exists" in capfd.readouterr().err
        assert entries(tmp_path / backend, backend.upper()) == before


def test_mean_image_is_caffes(files, tmp_path, capfd):
    output = tmp_path / "mean.binaryproto"
    assert main(["compute_image_mean", f"{files}/lmdb_raw_resized", str(output)]) == 0
    np.testing.assert_array_equal(read_blob(output), read_blob(files / "mean.binaryproto"))
    average = read_blob(output)[0, 1].mean()
    assert f"mean_value channel [1]: {average:g}" in capfd.readouterr().err


def test_mean_of_images_of_several_sizes_or_of_nothing_is_refused(tmp_path, capfd):
    with LmdbWriter(tmp_path / "db") as writer:
        for index in (1, 2):
            value = array_to_datum(np.zeros((1, 2, index), np.uint8)).SerializeToString()
            writer.put(b"%d" % index, value)
    assert main(["compute_image_mean", str(tmp_path / "db")]) == 1
    assert "the entry b'2' has the shape (1, 2, 2)" in capfd.readouterr().err
    assert main(["compute_image_mean", str(tmp_path / "nowhere")]) == 1
    assert "no such database" in capfd.readouterr().err


NET = """
name: "features"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { scale: 0.01 }
  data_param { source: "SOURCE" batch_size: 4 backend: LMDB } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 9 stride: 4 bias_term: false } }
"""


@pytest.mark.parametrize("backend", ["lmdb", "leveldb"])
def test_features_are_the_rows_of_blobs(files, tmp_path, backend):
    (tmp_path / "net.prototxt").write_text(NET.replace("SOURCE", f"{files}/lmdb_raw_resized"))
    kernel = np.zeros((2, 3, 9, 9), np.float32)
    kernel[0, 1, 0, 0], kernel[1, 2, 8, 8] = 1, -1
    write_caffemodel(tmp_path / "w.caffemodel", Weights({"conv": [kernel]}))
    argv = [f"{tmp_path}/w.caffemodel", f"{tmp_path}/net.prototxt", "conv,label"]
    argv += [f"{tmp_path}/conv,{tmp_path}/label", "2", backend, "CPU"]
    assert main(["extract_features", *argv]) == 0
    features = entries(tmp_path / "conv", backend.upper())
    assert [key for key, _ in features] == [b"%010d" % index for index in range(8)]
    image = datum_to_array(datum(entries(files / "lmdb_raw_resized")[1][1])).astype(np.float32)
    found = datum_to_array(datum(features[1][1]))
    assert found.shape == (2, 2, 3)
    np.testing.assert_allclose(found[0], image[1, :8:4, :12:4] * 0.01, rtol=1e-6)
    np.testing.assert_allclose(found[1], image[2, 8:16:4, 8:20:4] * -0.01, rtol=1e-6)
    labels = [
        datum(value).float_data[0] for _, value in entries(tmp_path / "label", backend.upper())
    ]
    assert labels == [0, 1, 2, 0, 1, 2, 0, 1]


def test_feature_blob_that_is_not_there_is_reported_with_those_that_are(files, tmp_path, capfd):
    (tmp_path / "net.prototxt").write_text(NET.replace("SOURCE", f"{files}/lmdb_raw_resized"))
    write_caffemodel(tmp_path / "w.caffemodel", Weights({"x": [np.zeros(1, np.float32)]}))
    argv = [f"{tmp_path}/w.caffemodel", f"{tmp_path}/net.prototxt", "fc7", "out", "1", "lmdb"]
    with pytest.warns(UserWarning, match="none of its layers"):
        assert main(["extract_features", *argv]) == 1
    assert 'has no blob "fc7"; it has: data, label, conv' in capfd.readouterr().err


def test_one_database_for_two_feature_blobs_is_refused(tmp_path, capfd):
    argv = ["w.caffemodel", "net.prototxt", "conv,label", f"{tmp_path}/db,{tmp_path}/./db"]
    assert main(["extract_features", *argv, "1", "lmdb"]) == 1
    assert "named twice" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
