"""Files changed at random load or end in an `InputError`: never a crash, a hang or much memory."""

import tracemalloc

import h5py
import numpy as np
import pytest
from fuzz_mutations import mutated_bytes

from caffeformat import (
    InputError,
    datum_to_array,
    pb,
    read_blob,
    read_caffemodel,
    read_net,
    read_solver_state,
)

MOST_MEMORY = 64 << 20


def _hammer(read, whole, path, rounds, most=5):
    """How many of `rounds` mutated copies of `whole` load; all others must be an `InputError`."""
    rng, loaded = np.random.RandomState(0), 0
    tracemalloc.start()
    try:
        for _ in range(rounds):
            path.write_bytes(mutated_bytes(whole, rng, most))
            try:
                read(path)
                loaded += 1
            except InputError as error:
                assert path.name in str(error)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
    return loaded


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(
    "name",
    ["small_binaryproto_iter_3.caffemodel", "small_v1.caffemodel", "small_double.caffemodel"],
)
def test_caffemodels(golden_files, tmp_path, name):
    # Only the structure, a few hundred bytes, so that it is what gets hit.
    net = pb.NetParameter.FromString((golden_files / name).read_bytes())
    for layer in [*net.layer, *net.layers]:
        for blob in layer.blobs:
            blob.ClearField("shape")
            blob.shape.dim.append(1)
            del blob.data[1:], blob.double_data[1:]
            for field in ("num", "channels", "height", "width"):
                if blob.HasField(field):
                    setattr(blob, field, 1)
    loaded = _hammer(read_caffemodel, net.SerializeToString(), tmp_path / "w.caffemodel", 150)
    assert 0 < loaded < 150


@pytest.mark.slow
def test_hdf5_caffemodels(golden_files, tmp_path):
    whole = (golden_files / "small_hdf5_iter_3.caffemodel.h5").read_bytes()
    assert 0 < _hammer(read_caffemodel, whole, tmp_path / "w.h5", 100) < 100


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("name", ["old_v0.prototxt", "old_v1.prototxt", "small.prototxt"])
def test_prototxts(golden_files, tmp_path, name):
    whole = (golden_files / name).read_bytes()
    assert 0 < _hammer(read_net, whole, tmp_path / "net.prototxt", 100, most=2) < 100


def test_solver_states_and_means(golden_files, tmp_path):
    state = (golden_files / "small_binaryproto_iter_3.solverstate").read_bytes()
    assert 0 < _hammer(read_solver_state, state[:400], tmp_path / "s.solverstate", 200) < 200
    mean = (golden_files / "mean.binaryproto").read_bytes()
    assert 0 < _hammer(read_blob, mean, tmp_path / "m.binaryproto", 200) < 200


def test_encoded_datums(golden_files):
    whole, rng = (golden_files / "images" / "0.png").read_bytes(), np.random.RandomState(0)
    refused = 0
    for _ in range(200):
        try:
            datum_to_array(pb.Datum(data=mutated_bytes(whole, rng, 5), encoded=True))
        except InputError:
            refused += 1
    assert refused > 0


def test_hdf5_groups_that_contain_themselves(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        group = file.create_group("data/a")
        group["one"] = group["two"] = file["data"]
    with pytest.raises(InputError, match="a second time"):
        read_caffemodel(tmp_path / "w.h5")


def _bytes_field(number, content):
    key = number << 3 | 2
    size, encoded = len(content), bytearray()
    while size > 0x7F:
        encoded.append(size & 0x7F | 0x80)
        size >>= 7
    keys = bytes([key]) if key < 128 else bytes([key & 0x7F | 0x80, key >> 7])
    return keys + bytes([*encoded, size]) + content


@pytest.mark.slow
def test_too_many_empty_blobs_are_refused(tmp_path):
    layer = _bytes_field(1, b"a") + _bytes_field(7, b"") * 60_000
    (tmp_path / "w.caffemodel").write_bytes(_bytes_field(100, layer))
    tracemalloc.start()
    with pytest.raises(InputError, match="more than 50000 blobs"):
        read_caffemodel(tmp_path / "w.caffemodel")
    assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    tracemalloc.stop()


@pytest.mark.slow
def test_floats_stored_one_by_one_between_others_take_no_time(tmp_path):
    pairs = (b"\x2d\0\0\0\0" * 20 + b"\x08\x01") * 20_000
    layer = _bytes_field(1, b"a") + _bytes_field(
        7, pairs + _bytes_field(7, b"\x0a\x03\x80\xb5\x18")
    )
    (tmp_path / "w.caffemodel").write_bytes(_bytes_field(100, layer))
    with pytest.raises(InputError, match="400000 values do not fill the shape"):
        read_caffemodel(tmp_path / "w.caffemodel")
