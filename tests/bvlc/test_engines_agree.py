"""Both engines compute the same: blobs, gradients and changed parameters of random networks."""

import pytest
from random_nets import random_net

from caffeformat import write_text
from fcnkit.engine import compare_nets

pytest.importorskip("torch")
pytestmark = pytest.mark.bvlc


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_random_networks_agree_in_every_blob_and_gradient(bvlc_root, tmp_path, phase):
    first = 0 if phase == "TRAIN" else 1000
    paths = []
    for seed in range(first, first + 30):
        paths.append(tmp_path / f"{seed}.prototxt")
        write_text(paths[-1], random_net(seed))
    compared = compare_nets(paths, phase, root=bvlc_root)
    apart = [(path.name, row) for path in paths for row in compared[path] if row.difference > 1e-4]
    assert not apart
