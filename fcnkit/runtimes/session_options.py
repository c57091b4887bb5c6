"""ONNX Runtime's options as every session here has them."""

from __future__ import annotations

import os
from typing import Any

from caffeformat import whole_number


def threads() -> int | None:
    """How many threads OMP_NUM_THREADS asks for, which all engines here follow; None: as many as
    there are cores."""
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return whole_number(text) or None


def session_options() -> Any:
    """ONNX Runtime's options as every session here has them."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it calls errors comes as exceptions, too
    options.intra_op_num_threads = threads() or 0
    return options
