"""BVLC Caffe reads what create_lmdb writes of many channels and of 16 bits, value for value."""

from pathlib import Path

import numpy as np
import pytest
from bands import as_npy, as_png, as_tiff, net_text, write_bands
from tiny_segmentation import write_solver

from caffeformat import pb, write_text
from fcnkit.commands import create_lmdb, main
from fcnkit.datasets import open_dataset

pytestmark = pytest.mark.bvlc
JOBS = Path(__file__).with_name("pycaffe_jobs.py")
COUNT = 3


@pytest.mark.parametrize(
    ("channels", "dtype", "write"),
    [
        (1, np.uint8, as_png),
        (1, np.uint16, as_png),
        (3, np.uint16, as_tiff),
        (4, np.uint8, as_tiff),
        (10, np.uint16, as_tiff),
        (2, np.float32, as_npy),
    ],
)
def test_values_come_out_as_they_went_in(bvlc, tmp_path, channels, dtype, write):
    folder = write_bands(tmp_path / "in", channels, dtype, write, train=COUNT, val=1)
    assert main.run_module(create_lmdb, [folder, str(tmp_path / "out"), "--workers", "1"]) == 0
    net = pb.NetParameter(name="images")
    layer = net.layer.add(name="data", type="Data", top=["data"])
    layer.data_param.source = "out/train_db/features"
    layer.data_param.batch_size = 1
    layer.data_param.backend = pb.DataParameter.DB.Value("LMDB")
    write_text(tmp_path / "net.prototxt", net)
    bvlc.run("python3", JOBS, "read_batches", "net.prototxt", COUNT, "read.npz", cwd=tmp_path)
    with np.load(tmp_path / "read.npz") as read, open_dataset(folder, "train") as dataset:
        for i in range(COUNT):
            image = dataset.image(i).astype(np.float32)
            stored = image[..., ::-1] if channels == 3 else image
            np.testing.assert_array_equal(read[f"data:{i}"][0], stored.transpose(2, 0, 1))


@pytest.mark.parametrize("layer", ["Data", "SegmentationData"])
def test_ten_bands_are_trained_and_used_beside_bvlc_caffe(bvlc, tmp_path, layer):
    folder = write_bands(tmp_path / "data", 10, np.uint16, as_npy, train=6, val=2)
    assert main.run_module(create_lmdb, [folder, str(tmp_path / "db"), "--workers", "1"]) == 0
    write_solver(tmp_path, net_text(-0.3 * 65535, 3 / 65535))
    augment = ["--augment", "flip=yes"] if layer == "SegmentationData" else []
    command = ["fcnkit", "train", "solver.prototxt", "-o", "run", "--data", "db", *augment]
    bvlc.run(*command, cwd=tmp_path)
    bvlc.run("fcnkit", "infer", "data/val/images/val_0.npy", "--run", "run", "-o", "out",
             cwd=tmp_path)  # fmt: skip
    said = bvlc.run("fcnkit", "score", "--run", "run", "--data", "db", cwd=tmp_path).stdout
    assert float(said.split("mean iou")[1].split()[0]) > 0.85
    assert (tmp_path / "out" / "val_0.png").exists()
