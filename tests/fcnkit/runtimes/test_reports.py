"""What runtimes would do beside computing."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("onnxruntime")


def test_onnx_runtime_reports_nothing(tmp_path):
    """Where it reports, a file of its own in the folder for temporary files is the first sign."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    script = "import fcnkit, onnxruntime"
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    assert os.listdir(tmp_path) == []
