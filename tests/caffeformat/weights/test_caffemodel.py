"""Weights files of every age are read as protobuf reads them, and written so that it can."""

import numpy as np
import pytest

from caffeformat import (
    FormatError,
    InputError,
    Weights,
    pb,
    read_blob,
    read_caffemodel,
    read_net,
    write_blob,
    write_caffemodel,
)


def _golden(path):
    weights = {}
    for key, array in np.load(path).items():
        weights.setdefault(key.partition(":")[0], []).append(array)
    return weights


def _assert_equal(found, expected):
    assert set(found) == set(expected)
    for name, arrays in expected.items():
        assert len(found[name]) == len(arrays)
        for ours, theirs in zip(found[name], arrays):
            assert ours.dtype == np.float32 and ours.shape == theirs.shape
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "file, values",
    [
        ("small_binaryproto_iter_3.caffemodel", "small_binaryproto.npz"),
        ("small_hdf5_iter_3.caffemodel.h5", "small_hdf5.npz"),
    ],
)
def test_snapshots_of_caffe(golden_files, file, values):
    _assert_equal(read_caffemodel(golden_files / file), _golden(golden_files / values))


def test_layers_in_order_with_types(golden_files):
    weights = read_caffemodel(golden_files / "small_binaryproto_iter_3.caffemodel")
    assert weights.name == "small" and list(weights) == ["conv", "bn", "scale", "ip"]
    types = "Input Input Convolution BatchNorm Scale ReLU InnerProduct SoftmaxWithLoss"
    assert " ".join(weights.types.values()) == types


def test_weights_are_views_that_cannot_be_written(golden_files):
    (kernel, _) = read_caffemodel(golden_files / "small_binaryproto_iter_3.caffemodel")["conv"]
    assert not kernel.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        kernel[0] = 1


def _message(golden_files, name):
    return pb.NetParameter.FromString((golden_files / name).read_bytes())


def test_double_values(golden_files):
    weights = read_caffemodel(golden_files / "small_double.caffemodel")
    kernel = _message(golden_files, "small_double.caffemodel").layer[2].blobs[0]
    assert weights["conv"][0].shape == (4, 3, 3, 3)
    np.testing.assert_array_equal(weights["conv"][0].ravel(), np.float32(kernel.double_data))


def test_v1_blobs_get_the_shapes_of_today(golden_files):
    weights = read_caffemodel(golden_files / "small_v1.caffemodel")
    assert weights.types == {"conv": "Convolution", "ip": "InnerProduct"}
    shapes = {name: [blob.shape for blob in blobs] for name, blobs in weights.items()}
    assert shapes == {"conv": [(4, 3, 3, 3), (4,)], "ip": [(3, 400), (3,)]}
    kernel = _message(golden_files, "small_v1.caffemodel").layers[0].blobs[0]
    np.testing.assert_array_equal(weights["conv"][0].ravel(), np.float32(kernel.data))


def test_v0_layers(tmp_path):
    net = pb.NetParameter()
    layer = net.layers.add().layer
    layer.name, layer.type = "fc", "innerproduct"
    layer.blobs.add(num=1, channels=1, height=1, width=3, data=[1, 2, 3])
    layer.blobs.add(num=1, channels=1, height=1, width=1, data=[4])
    (tmp_path / "v0.caffemodel").write_bytes(net.SerializeToString())
    weights = read_caffemodel(tmp_path / "v0.caffemodel")
    assert weights.types == {"fc": "InnerProduct"}
    assert [blob.tolist() for blob in weights["fc"]] == [[[1, 2, 3]], [4]]


def test_floats_stored_one_by_one_and_in_pieces(tmp_path):
    values = np.arange(70, dtype="<f4")
    one_by_one = b"".join(b"\x2d" + value.tobytes() for value in values[:60])
    packed = b"\x2a\x28" + values[60:].tobytes()
    blob = b"\x3a\x03\x0a\x01\x46" + one_by_one + packed
    layer = b"\x0a\x01a\x3a" + bytes([0x80 | len(blob) & 0x7F, len(blob) >> 7]) + blob
    path = tmp_path / "odd.caffemodel"
    path.write_bytes(b"\xa2\x06" + bytes([0x80 | len(layer) & 0x7F, len(layer) >> 7]) + layer)
    np.testing.assert_array_equal(
        pb.NetParameter.FromString(path.read_bytes()).layer[0].blobs[0].data, values
    )
    np.testing.assert_array_equal(read_caffemodel(path)["a"][0], values)


def test_written_with_a_net_it_is_what_caffe_writes(golden_files, tmp_path):
    name = "small_binaryproto_iter_3.caffemodel"
    theirs = _message(golden_files, name)
    for layer in theirs.layer:
        layer.ClearField("blobs")
    write_caffemodel(tmp_path / "ours", read_caffemodel(golden_files / name), net=theirs)
    ours = pb.NetParameter.FromString((tmp_path / "ours").read_bytes())
    assert ours == _message(golden_files, name)


@pytest.mark.parametrize("suffix", [".caffemodel", ".caffemodel.h5"])
def test_any_arrays_come_back(tmp_path, suffix):
    path = tmp_path / ("w" + suffix)
    base = np.arange(24.0).reshape(2, 3, 4)
    weights = Weights(
        {
            "transposed": [base.T, base.astype(np.float32).T, base.astype(np.float32)[:, 0]],
            "types": [base.astype(np.float16), base.astype(">f4"), base > 3],
            "inception/1x1": [np.float32(3), np.zeros((0, 2)), np.arange(5)],
        }
    )
    write_caffemodel(path, weights)
    _assert_equal(
        read_caffemodel(path),
        {name: [np.asarray(a, np.float32) for a in arrays] for name, arrays in weights.items()},
    )


def test_layers_that_the_net_lacks_follow(golden_files, tmp_path):
    net = read_net(golden_files / "small.prototxt")
    write_caffemodel(tmp_path / "w", {"conv": [np.ones(2)], "other": [np.ones(3)]}, net=net)
    written = pb.NetParameter.FromString((tmp_path / "w").read_bytes())
    assert [layer.name for layer in written.layer] == [x.name for x in net.layer] + ["other"]
    assert written.layer[2].convolution_param.num_output == 4
    assert list(written.layer[2].blobs[0].data) == [1, 1]


def test_a_shared_blob_left_out_of_hdf5(tmp_path):
    write_caffemodel(tmp_path / "w.h5", {"sharer": [None, np.ones(2)]})
    missing, bias = read_caffemodel(tmp_path / "w.h5")["sharer"]
    assert missing is None and bias.tolist() == [1, 1]
    with pytest.raises(InputError, match='"sharer", blob 0: missing'):
        write_caffemodel(tmp_path / "w.caffemodel", {"sharer": [None, np.ones(2)]})


def test_a_failed_write_leaves_the_old_file(tmp_path):
    for name in ("w.caffemodel", "w.h5"):
        (tmp_path / name).write_bytes(b"old")
        with pytest.raises(InputError, match='"a", blob 0: values of type <U1 are not numbers'):
            write_caffemodel(tmp_path / name, {"a": [np.array("x")]})
        assert (tmp_path / name).read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2


def test_two_gibibytes_are_refused_before_writing(tmp_path):
    huge = np.broadcast_to(np.float32(0), (1 << 29,))
    with pytest.raises(InputError, match=r"2 GiB.*\.caffemodel\.h5"):
        write_caffemodel(tmp_path / "w.caffemodel", {"a": [huge]})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html>\n<title>404</title>", 'text that begins "<!DOCTYPE html>"'),
        (b"\x0a\x05small", "it has no layers"),
        (
            b"\xa2\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            r"claims 18446744073709551615 bytes",
        ),
        (b"\xa2\x06\x05\x0a\x01a\x3a\x64", 'byte 6, reading layer "a": field 7 claims 100'),
        (
            b"\xa2\x06\x09\x0a\x01a\x3a\x04\x2a\x02zz",
            'layer "a", blob 0, field 5: 2 bytes are not a whole',
        ),
        (b"\xa2\x06\x0c\x0a\x01a\x3a\x07\x3a\x05\x0a\x03\xff\xff\x7f", r"shape \(2097151,\)"),
        (b"\x89HDF\r\n\x1a\nrubbish", "damaged, or not an HDF5"),
    ],
)
def test_damaged_files(tmp_path, content, words):
    path = tmp_path / "bad.caffemodel"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=words) as caught:
        read_caffemodel(path)
    assert str(path) in str(caught.value)


def test_dimensions_below_zero_are_named_as_they_were_meant(tmp_path):
    net = pb.NetParameter()
    blob = net.layer.add(name="a").blobs.add(data=[1, 2, 3, 4])
    blob.shape.dim.extend([-1, 4])
    (tmp_path / "bad.caffemodel").write_bytes(net.SerializeToString())
    with pytest.raises(FormatError, match=r'"a", blob 0: 4 values .* shape \(-1, 4\)'):
        read_caffemodel(tmp_path / "bad.caffemodel")


def test_every_truncation_is_noticed(golden_files, tmp_path):
    path = tmp_path / "cut.caffemodel"
    whole = (golden_files / "small_binaryproto_iter_3.caffemodel").read_bytes()
    complete = len(read_caffemodel(golden_files / "small_binaryproto_iter_3.caffemodel").types)
    for size in range(0, len(whole), 17):
        path.write_bytes(whole[:size])
        try:
            assert len(read_caffemodel(path).types) < complete  # cut between two layers
        except FormatError as error:
            assert str(path) in str(error)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_caffemodel(tmp_path / "none.caffemodel")


def test_mean_image(golden_files, tmp_path):
    theirs = pb.BlobProto.FromString((golden_files / "mean.binaryproto").read_bytes())
    mean = read_blob(golden_files / "mean.binaryproto")
    assert mean.shape == (1, 3, 16, 20)
    np.testing.assert_array_equal(mean.ravel(), np.float32(theirs.data))
    write_blob(tmp_path / "mean.binaryproto", mean)
    ours = pb.BlobProto.FromString((tmp_path / "mean.binaryproto").read_bytes())
    assert (ours.num, ours.channels, ours.height, ours.width) == (1, 3, 16, 20)
    assert list(ours.shape.dim) == [1, 3, 16, 20] and ours.data == theirs.data


LAYER = [np.ones(2, np.float32)]


@pytest.mark.parametrize("names", [("conv2/bn", "conv2"), ("conv2", "conv2/bn"), ("a/b/c", "a/b")])
def test_hdf5_holds_layers_whose_names_begin_with_those_of_others(tmp_path, names):
    """As in DenseNet and PVANet: slashes make groups, and a group holds blobs and groups."""
    weights = {name: [np.full(2, i, np.float32)] for i, name in enumerate(names)}
    write_caffemodel(tmp_path / "w.h5", weights)
    back = read_caffemodel(tmp_path / "w.h5")
    assert set(back) == set(names)
    for name in names:
        np.testing.assert_array_equal(back[name][0], weights[name][0])


@pytest.mark.parametrize(
    "names",
    [("a", "a/0"), ("a/0", "a"), ("a/0/b", "a"), ("/a",), ("a//b",), ("a/./b",), ("a\0",), ("",)],
)
def test_hdf5_refuses_names_that_it_cannot_hold(tmp_path, names):
    with pytest.raises(InputError, match=r"w\.h5: an HDF5 file has no place for the layer"):
        write_caffemodel(tmp_path / "w.h5", dict.fromkeys(names, LAYER))
    assert not list(tmp_path.iterdir())
    net = pb.NetParameter(layer=[pb.LayerParameter(name=name) for name in names])
    write_caffemodel(tmp_path / "w.h5", {"b": LAYER}, net)  # without blobs nothing is lost
    assert list(read_caffemodel(tmp_path / "w.h5")) == ["b"]


def _external_link(h5py, group):
    group["0"] = h5py.ExternalLink("other.h5", "/x")


def _external_values(h5py, group):
    group.create_dataset("0", (2,), "f4", external=[("/dev/zero", 0, 8)])


def _virtual_values(h5py, group):
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource("missing.h5", "x", shape=(2,))
    group.create_virtual_dataset("0", layout)


@pytest.mark.parametrize("write", [_external_link, _external_values, _virtual_values])
def test_hdf5_files_whose_values_lie_in_others_are_refused(tmp_path, write):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = LAYER[0]
    with h5py.File(tmp_path / "w.h5", "w") as file:
        write(h5py, file.create_group("data/a"))
    words = r'w\.h5: the values of "/data/a/0" lie in another file, .*: copy them into this one'
    with pytest.raises(InputError, match=words):
        read_caffemodel(tmp_path / "w.h5")


def test_links_and_views_within_an_hdf5_file_are_read(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["real"] = LAYER[0]
        file.create_group("data/a")["0"] = h5py.SoftLink("/real")
        layout = h5py.VirtualLayout((2,), "f4")
        layout[:] = h5py.VirtualSource(".", "/real", (2,))
        file.create_virtual_dataset("data/b/0", layout)
    found = read_caffemodel(tmp_path / "w.h5")
    for name in "ab":
        np.testing.assert_array_equal(found[name][0], LAYER[0])


def test_a_dataset_without_values_is_refused_only_as_a_blob(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["data/a/0"] = LAYER[0]
        file["notes"] = h5py.Empty("f4")
    np.testing.assert_array_equal(read_caffemodel(tmp_path / "w.h5")["a"][0], LAYER[0])
    with h5py.File(tmp_path / "w.h5", "a") as file:
        file["data/a/1"] = h5py.Empty("f4")
    with pytest.raises(InputError, match=r'w\.h5: dataset "/data/a/1" holds no values'):
        read_caffemodel(tmp_path / "w.h5")
