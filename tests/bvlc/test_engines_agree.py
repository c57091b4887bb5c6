"""Both engines compute the same: blobs, gradients and changed parameters of random networks."""

import compare_engines
import pytest
from random_nets import random_net

from caffeformat import write_text

pytest.importorskip("torch")
pytestmark = pytest.mark.full


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_random_networks_agree_in_every_blob_and_gradient(on_engine, tmp_path, phase):
    first = 0 if phase == "TRAIN" else 1000
    paths = []
    for seed in range(first, first + 30):
        paths.append(tmp_path / f"{seed}.prototxt")
        write_text(paths[-1], random_net(seed))
    for engine in ("bvlc", "torch"):
        on_engine(engine, "engine_dump.py", "--phase", phase, *paths, cwd=tmp_path)
    apart = {
        f"{path.name} {key}": difference
        for path in paths
        for key, difference in compare_engines.differences(path).items()
        if difference > 1e-4
    }
    assert not apart
