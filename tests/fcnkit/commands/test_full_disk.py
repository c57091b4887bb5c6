"""Where the disk is full: one sentence with the file's name, and nothing half-written."""

import os
import subprocess

import numpy as np
import pytest
from own_processes import code

from caffeformat import write_caffemodel

NET = (
    'layer { name: "data" type: "Input" top: "data" input_param '
    "{ shape { dim: 1 dim: 3 dim: 8 dim: 8 } } } "
    'layer { name: "score" type: "Convolution" bottom: "data" top: "score" '
    "convolution_param { num_output: 100 kernel_size: 30 pad: 15 } }"
)
# A limit on the size of files is reported as a full disk is, and takes no rights.
PROGRAM = """
import resource, sys
from fcnkit.commands import main
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.exit(main.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "ending",
    [
        "safetensors",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("pt", "h5", "caffemodel", "onnx")
        ),
    ],
)
def test_export(tmp_path, ending):
    if ending in ("safetensors", "onnx"):
        pytest.importorskip(ending)
    (tmp_path / "net.prototxt").write_text(NET)
    blobs = [np.ones((100, 3, 30, 30), np.float32), np.zeros(100, np.float32)]
    write_caffemodel(tmp_path / "w.caffemodel", {"score": blobs})
    (tmp_path / f"out.{ending}").write_text("old")
    before = sorted(os.listdir(tmp_path))
    command = ["export", "net.prototxt", "w.caffemodel", f"out.{ending}", "--force", "--no-check"]
    done = subprocess.run(code(PROGRAM, *command), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert f"out.{ending}: writing failed: File too large" in done.stderr
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / f"out.{ending}").read_text() == "old"
