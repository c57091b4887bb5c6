"""Runs ONNX models with ONNX Runtime."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import FormatError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


class OnnxSession:
    """A model that turns named inputs into named outputs.

    `path` is an ONNX file. Attributes: `inputs` (name -> shape: numbers, or names of axes that may
    have any size), `takes_images` (whether the only input is an H x W x 3 uint8 RGB image, as
    exported with a preprocessor), `outputs` (names). Raises `FormatError` for files that ONNX
    Runtime refuses and `InputError` where it is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise InputError(
                "running ONNX models needs the package onnxruntime: pip install 'fcnkit[export]'"
            ) from None
        self.path = os.fspath(path)
        if not os.path.isfile(self.path):
            raise InputError(f"{self.path}: there is no such file")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # The one setting that all engines here follow; OpenMP also takes a list of numbers.
        threads = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
        if threads.isdecimal():
            options.intra_op_num_threads = int(threads)
        try:
            self._session = onnxruntime.InferenceSession(
                self.path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime has a class for each kind of fault
            raise FormatError(self.path, f"ONNX Runtime refuses it: {error}") from error
        inputs = self._session.get_inputs()
        if not inputs:
            raise FormatError(self.path, "the model has no input; expected one for images")
        self.inputs: dict[str, list[int | str | None]] = {
            value.name: list(value.shape) for value in inputs
        }
        self.takes_images = inputs[0].type == "tensor(uint8)" and inputs[0].shape[2:] == [3]
        self.outputs: list[str] = [value.name for value in self._session.get_outputs()]

    def run(self, arrays: Iterable[NDArray[Any]], output: str | None = None) -> NDArray[Any]:
        """The value of `output` (default: the first) for `arrays`, one per input, in order."""
        output = output or self.outputs[0]
        if output not in self.outputs:
            raise InputError(
                f"{self.path}: there is no output {output!r}; there are {', '.join(self.outputs)}"
            )
        dtype: type[np.generic] = np.uint8 if self.takes_images else np.float32
        given = [np.ascontiguousarray(array, dtype) for array in arrays]
        if len(given) != len(self.inputs):
            raise InputError(f"{self.path}: needs the inputs {', '.join(self.inputs)}")
        try:
            value: NDArray[Any] = self._session.run([output], dict(zip(self.inputs, given)))[0]
            return value
        except Exception as error:
            shapes = " and ".join("x".join(map(str, array.shape)) for array in given)
            raise InputError(f"{self.path}: fails on an input of {shapes}: {error}") from error
