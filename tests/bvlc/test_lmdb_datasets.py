"""BVLC Caffe's Data layers read what create_lmdb writes: images and labels, pixel for pixel."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffeformat import pb, write_text
from fcnkit.commands import create_lmdb, main
from fcnkit.images import voc_palette, write_label

pytestmark = pytest.mark.bvlc
JOBS = Path(__file__).with_name("pycaffe_jobs.py")
COUNT = 4


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Smooth images of different sizes, which JPEG keeps nearly as they are, and their labels."""
    folder = tmp_path_factory.mktemp("folders")
    random = np.random.RandomState(4)
    for part in ("images", "labels"):
        (folder / "train" / part).mkdir(parents=True)
    for index in range(COUNT):
        height, width = random.randint(20, 40, 2)
        small = random.randint(0, 256, (3, 3, 3)).astype(np.uint8)
        image = Image.fromarray(small).resize((width, height), Image.BILINEAR)
        image.save(folder / f"train/images/{index}.png")
        label = random.choice([0, 1, 20, 255], (height, width)).astype(np.uint8)
        write_label(folder / f"train/labels/{index}.png", label, voc_palette())
    return folder


@pytest.mark.parametrize("encoding", ["png", "jpeg", "raw"])
@pytest.mark.parametrize("label_encoding", ["png", "raw"])
def test_pairs_come_out_as_they_went_in(bvlc, folders, tmp_path, encoding, label_encoding):
    arguments = [folders, tmp_path / "out", "--val-percent", 0, "--encoding", encoding]
    arguments += ["--label-encoding", label_encoding, "--workers", 1]
    assert main.run_module(create_lmdb, list(map(str, arguments))) == 0

    net = pb.NetParameter(name="pairs")
    for top, name in (("data", "features"), ("label", "labels")):
        layer = net.layer.add(name=top, type="Data", top=[top])
        layer.data_param.source = f"out/train_db/{name}"
        layer.data_param.batch_size = 1
        layer.data_param.backend = pb.DataParameter.DB.Value("LMDB")
    write_text(tmp_path / "net.prototxt", net)
    job = ["read_batches", "net.prototxt", COUNT, "read.npz"]
    bvlc.run("python3", JOBS, *job, cwd=tmp_path)

    with np.load(tmp_path / "read.npz") as read:
        for index in range(COUNT):
            label = np.asarray(Image.open(folders / f"train/labels/{index}.png"))
            np.testing.assert_array_equal(read[f"label:{index}"][0, 0], label)
            rgb = np.asarray(Image.open(folders / f"train/images/{index}.png"))
            bgr = read[f"data:{index}"][0][::-1].transpose(1, 2, 0)
            assert np.abs(bgr - rgb).mean() <= (3 if encoding == "jpeg" else 0)
