"""Runs ONNX models with ONNX Runtime."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import FormatError, InputError
from caffeformat.files import check_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_DEPTHS = {"tensor(uint8)": "uint8", "tensor(uint16)": "uint16", "tensor(float)": "float32"}


class OnnxSession:
    """A model that turns named inputs into named outputs.

    `path` is an ONNX file. Attributes: `inputs` (name -> shape: numbers, or names of axes that may
    have any size), `takes_images` (whether the only input is an H x W x channels image, as exported
    with a preprocessor), `image_depth` (that of such an image: "uint8", "uint16" or "float32"),
    `channels` (those of its images, None if unknown), `outputs` (names). Raises
    `FormatError` for files that ONNX Runtime refuses and `InputError` where it is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise InputError(
                "running ONNX models needs the package onnxruntime: pip install 'fcnkit[export]'"
            ) from None
        self.path = os.fspath(path)
        check_file(self.path)
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
        shape, is_float = inputs[0].shape, inputs[0].type == "tensor(float)"
        is_named = inputs[0].name.rstrip("_") == "image"
        self.takes_images = len(shape) == 3 and len(inputs) == 1 and (is_named or not is_float)
        self.image_depth = _DEPTHS.get(inputs[0].type) if self.takes_images else None
        place = 2 if self.takes_images else 1
        known = shape[place] if len(shape) > place else None
        self.channels: int | None = known if isinstance(known, int) else None
        self.outputs: list[str] = [value.name for value in self._session.get_outputs()]

    def run(self, arrays: Iterable[NDArray[Any]], output: str | None = None) -> NDArray[Any]:
        """The value of `output` (default: the first) for `arrays`, one per input, in order."""
        output = output or self.outputs[0]
        if output not in self.outputs:
            raise InputError(
                f"{self.path}: there is no output {output!r}; there are {', '.join(self.outputs)}"
            )
        dtype = np.dtype(self.image_depth or "float32")
        given = [np.ascontiguousarray(array, dtype) for array in arrays]
        if len(given) != len(self.inputs):
            raise InputError(f"{self.path}: needs the inputs {', '.join(self.inputs)}")
        try:
            value: NDArray[Any] = self._session.run([output], dict(zip(self.inputs, given)))[0]
            return value
        except Exception as error:
            shapes = " and ".join("x".join(map(str, array.shape)) for array in given)
            raise InputError(f"{self.path}: fails on an input of {shapes}: {error}") from error
