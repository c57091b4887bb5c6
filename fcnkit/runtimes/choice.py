"""Which runtimes there are for inference, and which of them `auto` takes."""

from __future__ import annotations

import importlib.util

from caffeformat import InputError
from fcnkit import engine

# "torch" is the engine itself.
RUNTIMES = ("auto", "torch", "onnxruntime", "openvino")


def choose(runtime: str = "auto", gpu: int | None = None) -> str | None:
    """The runtime to run a net in, "onnxruntime" or "openvino"; None for the engine itself.

    `auto` is ONNX Runtime on the CPU where it is installed, unless BVLC Caffe is the chosen engine.
    `gpu` is the GPU's number or None for the CPU. Raises `InputError` for names that are not in
    `RUNTIMES`, for a runtime that is not installed, and for one that does not run where `gpu` says.
    """
    if runtime not in RUNTIMES:
        raise InputError(f"runtime {runtime!r}: expected {', '.join(RUNTIMES)}")
    if runtime == "torch":
        if engine.name() != "torch":
            raise InputError(
                f"runtime 'torch', but the engine is BVLC Caffe: set {engine.VARIABLE}=torch"
            )
        return None
    if runtime == "auto":
        fits = gpu is None and engine.name() == "torch" and is_installed("onnxruntime")
        return "onnxruntime" if fits and is_installed("onnx") else None
    for package in dict.fromkeys([runtime, "onnx"]):
        if not is_installed(package):
            raise InputError(
                f"runtime {runtime!r}: needs the package {package}: pip install {package}"
            )
    if gpu is not None:
        raise InputError(
            f"runtime {runtime!r}: runs on the CPU, but GPU {gpu} is asked for: pass {{option}}",
            option="runtime",
            value="torch",
        )
    return runtime


def is_installed(package: str) -> bool:
    """Whether `import package` would find it."""
    return importlib.util.find_spec(package) is not None
