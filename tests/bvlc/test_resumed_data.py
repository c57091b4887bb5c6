"""A run that continues on BVLC Caffe ends with the unbroken run's weights."""

import numpy as np
import pytest
from PIL import Image

from caffeformat import LmdbWriter, array_to_datum, read_caffemodel

pytestmark = pytest.mark.bvlc

NET = """
layer {{ name: "data" type: "{type}" top: "data" top: "label" {param}
  transform_param {{ mirror: true crop_size: 6 scale: 0.01 }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param {{ num_output: 6 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "drop" type: "Dropout" bottom: "ip" top: "ip" }}
layer {{ name: "score" type: "InnerProduct" bottom: "ip" top: "score"
  inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }}
"""
SOLVER = """net: "net.prototxt" base_lr: 0.05 lr_policy: "fixed" momentum: 0.9 max_iter: 9
snapshot: 4 snapshot_prefix: "s" random_seed: 5 display: 1 iter_size: 2
"""
READERS = {
    "Data": 'data_param { source: "db" backend: LMDB batch_size: 2 }',
    "ImageData": 'image_data_param { source: "list" batch_size: 3 shuffle: true }',
}


@pytest.mark.parametrize("reader", READERS)
def test_the_data_goes_on(bvlc, tmp_path, reader):
    random = np.random.RandomState(0)
    with LmdbWriter(tmp_path / "db") as database:
        for i in range(7):
            image = random.randint(0, 256, (3, 8, 8)).astype(np.uint8)
            database.put(b"%03d" % i, array_to_datum(image, i % 3).SerializeToString())
            Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / f"{i}.png")
    (tmp_path / "list").write_text("".join(f"{tmp_path}/{i}.png {i % 3}\n" for i in range(7)))
    text = NET.format(type=reader, param=READERS[reader])
    (tmp_path / "net.prototxt").write_text(text)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    train = "python3", "-m", "fcnkit", "train", "solver.prototxt", "--no-validation", "-o"
    bvlc.run(*train, "unbroken", cwd=tmp_path)
    bvlc.run(*train, "broken", "--iterations", "4", cwd=tmp_path)
    bvlc.run(*train, "broken", "--resume", cwd=tmp_path)
    one, other = (read_caffemodel(tmp_path / run / "s_iter_9.caffemodel")
                  for run in ("unbroken", "broken"))  # fmt: skip
    for name, blobs in one.items():
        for blob, again in zip(blobs, other[name]):
            np.testing.assert_array_equal(blob, again, name)
