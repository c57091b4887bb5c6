"""Stages on images of four channels: the nets between them have as many."""

import numpy as np
import pytest
from bands import as_tiff, write_bands
from tiny_stages import FAMILY, stages, write_family

from caffeformat import read_net
from fcnkit.training import curves, read_run, train_stages

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("needs_engine")]


def test_stages_take_the_channels_of_their_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda *_: None)
    data = write_bands(tmp_path / "data", 4, np.uint8, as_tiff, train=4, val=2)
    two = stages(write_family(tmp_path / "family", channels=4), FAMILY[:2], iterations=2)
    results = list(train_stages(two, "run", data))
    assert results[1].agreement > 0.8  # less than 1 at the borders of what little was learned
    for name in FAMILY[:2]:
        assert read_run(f"run/{name}").form.channels == 4
        image = read_net(f"run/{name}/deploy.prototxt").layer[0]
        assert image.input_param.shape[0].dim[1] == 4
