"""Files written here are read by BVLC Caffe with equal content, and the other way round."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffeformat import (
    LmdbWriter,
    SolverState,
    array_to_datum,
    datum_to_array,
    encoded_datum,
    open_database,
    pb,
    read_blob,
    read_caffemodel,
    read_net,
    read_solver_state,
    write_blob,
    write_caffemodel,
    write_solver_state,
    write_text,
)

pytestmark = pytest.mark.bvlc
JOBS = Path(__file__).with_name("pycaffe_jobs.py")
FORMS = pytest.mark.parametrize("form", ["caffemodel", "caffemodel.h5"])
STATES = pytest.mark.parametrize("form, ending", [("BINARYPROTO", ""), ("HDF5", ".h5")])


@pytest.fixture(scope="module")
def small(golden):
    return golden / "files" / "small.prototxt"


@pytest.fixture(scope="module")
def written_by_bvlc(bvlc, small, tmp_path_factory):
    """Folder with m.caffemodel, m.caffemodel.h5 and their arrays in m.npz."""
    folder = tmp_path_factory.mktemp("bvlc")
    bvlc.run("python3", JOBS, "save_weights", small, "m", cwd=folder)
    return folder


def assert_equal_weights(weights, arrays):
    found = {f"{name}:{i}": blob for name, blobs in weights.items() for i, blob in enumerate(blobs)}
    assert set(found) == set(arrays)
    for key, values in arrays.items():
        np.testing.assert_array_equal(found[key], values, err_msg=key)


@FORMS
def test_weights_of_bvlc_caffe_are_read(written_by_bvlc, form):
    with np.load(written_by_bvlc / "m.npz") as arrays:
        assert_equal_weights(read_caffemodel(written_by_bvlc / f"m.{form}"), dict(arrays))


@FORMS
def test_our_weights_are_read_by_bvlc_caffe(bvlc, small, written_by_bvlc, tmp_path, form):
    weights = read_caffemodel(written_by_bvlc / "m.caffemodel")
    write_caffemodel(tmp_path / f"ours.{form}", weights, read_net(small))
    bvlc.run("python3", JOBS, "load_weights", small, f"ours.{form}", "read.npz", cwd=tmp_path)
    with np.load(tmp_path / "read.npz") as arrays:
        assert_equal_weights(weights, dict(arrays))


def solver_file(folder, small, form, prefix):
    solver = pb.SolverParameter(
        net=str(small),
        base_lr=0.1,
        momentum=0.9,
        lr_policy="fixed",
        random_seed=1,
        snapshot_format=pb.SolverParameter.SnapshotFormat.Value(form),
        snapshot_prefix=prefix,
    )
    write_text(folder / f"{prefix}.prototxt", solver)
    return f"{prefix}.prototxt"


@STATES
def test_solver_state_survives_both_ways(bvlc, small, tmp_path, form, ending):
    """BVLC Caffe writes a state, we read and write it, BVLC Caffe restores ours, writes again."""
    theirs = solver_file(tmp_path, small, form, "theirs")
    bvlc.run("python3", JOBS, "train", theirs, "3", cwd=tmp_path)
    first = read_solver_state(tmp_path / f"theirs_iter_3.solverstate{ending}")
    assert (first.iter, first.current_step) == (3, 0)
    assert first.learned_net == f"theirs_iter_3.caffemodel{ending}"
    assert any(np.abs(history).max() > 0 for history in first.history)

    ours = f"ours.solverstate{ending}"
    write_solver_state(tmp_path / ours, SolverState(3, 0, first.learned_net, first.history))
    again = solver_file(tmp_path, small, form, "again")
    bvlc.run("python3", JOBS, "restore_and_snapshot", again, ours, cwd=tmp_path)
    second = read_solver_state(tmp_path / f"again_iter_3.solverstate{ending}")
    assert len(second.history) == len(first.history)
    for one, other in zip(first.history, second.history):
        np.testing.assert_array_equal(one, other)
    weights = [
        read_caffemodel(tmp_path / f"{prefix}_iter_3.caffemodel{ending}")
        for prefix in ("theirs", "again")
    ]
    flat = {f"{n}:{i}": b for n, blobs in weights[0].items() for i, b in enumerate(blobs)}
    assert_equal_weights(weights[1], flat)


def data_net(folder, source, batch_size, **transform):
    net = pb.NetParameter(name="read")
    layer = net.layer.add(name="data", type="Data", top=["data", "label"])
    layer.data_param.CopyFrom(
        pb.DataParameter(
            source=source, batch_size=batch_size, backend=pb.DataParameter.DB.Value("LMDB")
        )
    )
    layer.transform_param.CopyFrom(pb.TransformationParameter(**transform))
    write_text(folder / "read.prototxt", net)
    return "read.prototxt"


def random_images(count, channels=3):
    shape = (count, channels, 9, 7)
    return np.random.RandomState(count).randint(0, 256, shape).astype(np.uint8)


def test_our_lmdb_of_arrays_and_our_mean_are_read_by_bvlc_caffe(bvlc, tmp_path):
    images = random_images(5)
    with LmdbWriter(tmp_path / "db") as writer:
        for index, image in enumerate(images):
            datum = array_to_datum(image, label=index)
            writer.put(b"%08d" % index, datum.SerializeToString())
    mean = images.mean(axis=0, dtype=np.float32)
    write_blob(tmp_path / "mean.binaryproto", mean[np.newaxis])
    net = data_net(tmp_path, "db", batch_size=5, mean_file="mean.binaryproto")
    bvlc.run("python3", JOBS, "read_batches", net, "1", "read.npz", cwd=tmp_path)
    with np.load(tmp_path / "read.npz") as read:
        np.testing.assert_array_equal(read["data:0"], images - mean)
        np.testing.assert_array_equal(read["label:0"], np.arange(5))


@pytest.mark.parametrize("channels", [1, 3], ids=["class map", "colour image"])
def test_our_lmdb_of_png_files_is_decoded_by_bvlc_caffe(bvlc, tmp_path, channels):
    images = random_images(3, channels)
    with LmdbWriter(tmp_path / "db") as writer:
        for index, image in enumerate(images):
            rgb = image[::-1].transpose(1, 2, 0).squeeze()
            Image.fromarray(np.ascontiguousarray(rgb)).save(tmp_path / "image.png")
            datum = encoded_datum((tmp_path / "image.png").read_bytes(), image.shape)
            writer.put(b"%08d" % index, datum.SerializeToString())
    net = data_net(tmp_path, "db", batch_size=1)
    bvlc.run("python3", JOBS, "read_batches", net, "3", "read.npz", cwd=tmp_path)
    with np.load(tmp_path / "read.npz") as read:
        for index, image in enumerate(images):
            np.testing.assert_array_equal(read[f"data:{index}"][0], image)


@pytest.mark.parametrize("backend", ["lmdb", "leveldb"])
@pytest.mark.parametrize("encoding", ["", "-encoded", "-encode_type=png"])
def test_databases_and_mean_of_bvlc_caffe_are_read(bvlc, tmp_path, backend, encoding):
    images = random_images(4)
    lines = []
    for index, image in enumerate(images):
        Image.fromarray(image[::-1].transpose(1, 2, 0)).save(tmp_path / f"{index}.png")
        lines.append(f"{index}.png {index}\n")
    (tmp_path / "list.txt").write_text("".join(lines))
    options = [f"-backend={backend}", *([encoding] if encoding else [])]
    bvlc.run("convert_imageset", *options, "./", "list.txt", "db", cwd=tmp_path)
    with open_database(tmp_path / "db", backend.upper()) as database:
        assert len(database) == 4
        for index, (key, value) in enumerate(database.items()):
            assert key.endswith(f"{index}.png".encode())
            datum = pb.Datum.FromString(value)
            assert datum.label == index
            np.testing.assert_array_equal(datum_to_array(datum), images[index])
    bvlc.run("compute_image_mean", f"-backend={backend}", "db", "mean.binaryproto", cwd=tmp_path)
    mean = np.squeeze(read_blob(tmp_path / "mean.binaryproto"))
    np.testing.assert_allclose(mean, images.mean(axis=0), rtol=1e-5)
