"""The demo's whole chain on BVLC Caffe: the same commands, as good a network."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.bvlc


def foreground_iou(output):
    """What `fcnkit demo` printed as the FCN's mean IoU over the foreground classes."""
    found = re.search(r"FCN after net surgery\s+([\d.]+)", output)
    assert found, output[-2000:]
    return float(found.group(1))


def test_it_ends_within_three_points_of_torchcaffes(bvlc, tmp_path):
    theirs = bvlc.run("fcnkit", "demo", "--output", "bvlc", cwd=tmp_path).stdout
    ours = subprocess.run(
        [Path(sys.executable).with_name("fcnkit"), "demo", "--output", "torch"],
        cwd=tmp_path,
        env={**os.environ, "FCNKIT_ENGINE": "torch"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert foreground_iou(theirs) == pytest.approx(foreground_iou(ours), abs=0.03)
