"""Runs ONNX models with ONNX Runtime."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import FormatError, InputError

from .onnx_guard import Model
from .session_options import session_options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# Types of inputs that an image's values can become
_DTYPES = {
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
}
# Types of outputs that are no texts, sequences or maps
_NUMBERS = re.compile(r"tensor\((bool|u?int\d+|float|float16|double)\)")
_DEPTHS = ("uint8", "uint16", "float32")  # of images
# Constants that a graph computes from smaller ones may have so many bytes.
_FOLDED = "optimization.constant_folding_max_output_size_in_bytes"


class OnnxSession:
    """A model that turns named inputs into named outputs.

    `path` is an ONNX file. Attributes: `inputs` (name -> shape: numbers, or names of axes that may
    have any size), `takes_images` (whether the only input is an H x W x channels image, as exported
    with a preprocessor), `image_depth` (that of such an image: "uint8", "uint16" or "float32"),
    `dtype` (NumPy's type of the first input),
    `channels` (those of its images, None if unknown), `batch` (the only number of images at a time,
    None where any will do), `sides` (height and width of its images, each None where any will do),
    `outputs` (names), `metadata` (the file's). Raises `FormatError` for files
    that ONNX Runtime refuses, and `InputError` where it is not installed and as `onnx_guard.Model`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise InputError(
                "running ONNX models needs the package onnxruntime: pip install 'fcnkit[export]'"
            ) from None
        self.path = os.fspath(path)
        self._model = Model(self.path)
        self.metadata = self._model.metadata
        options = session_options()
        options.add_session_config_entry(_FOLDED, str(1 << 28))
        # It would keep a plan, and memory laid out by it, for every size of image.
        options.enable_mem_pattern = False
        try:
            self._session = onnxruntime.InferenceSession(
                self.path, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
        except Exception as error:  # ONNX Runtime has a class for each kind of fault
            raise FormatError(self.path, f"ONNX Runtime refuses it: {error}") from error
        self._checked: dict[str, tuple[int, ...]] = {}
        inputs = self._session.get_inputs()
        if not inputs:
            raise FormatError(self.path, "the model has no input; expected one for images")
        self.inputs: dict[str, list[int | str | None]] = {
            value.name: list(value.shape) for value in inputs
        }
        shape, is_float = inputs[0].shape, inputs[0].type == "tensor(float)"
        is_named = inputs[0].name.rstrip("_") == "image"
        self.takes_images = len(shape) == 3 and len(inputs) == 1 and (is_named or not is_float)
        dtypes = [_DTYPES.get(value.type) for value in inputs]
        if None in dtypes:
            value = inputs[dtypes.index(None)]
            raise InputError(
                f"{self.path}: input {value.name!r} is a {value.type}; expected one of "
                f"{', '.join(_DTYPES)}"
            )
        self._dtypes = [np.dtype(name) for name in dtypes]
        self.dtype = self._dtypes[0]
        is_image = self.takes_images and self.dtype.name in _DEPTHS
        self.image_depth = self.dtype.name if is_image else None
        place = 2 if self.takes_images else 1
        known = shape[place] if len(shape) > place else None
        self.channels: int | None = known if isinstance(known, int) else None
        sides = [shape[place - 2], shape[place - 1]] if self.takes_images else list(shape[2:4])
        if len(sides) != 2:
            sides = [None, None]
        height, width = (side if isinstance(side, int) else None for side in sides)
        self.sides: tuple[int | None, int | None] = (height, width)
        first = None if self.takes_images or not shape else shape[0]
        self.batch: int | None = first if isinstance(first, int) else None
        self._outputs = {value.name: value for value in self._session.get_outputs()}
        self.outputs: list[str] = list(self._outputs)
        if not self.outputs:
            raise FormatError(self.path, "the model has no output; expected one of class scores")

    def is_class_map(self, output: str) -> bool:
        """Whether `output` holds integers, and one per pixel."""
        value = self._outputs.get(output)
        if value is None or "int" not in value.type:
            return False
        # Quantized scores are integers, too.
        return not (
            len(value.shape) == 4 and isinstance(value.shape[1], int) and value.shape[1] > 1
        )

    def has_probabilities(self, output: str) -> bool:
        """Whether the values of `output` come out of a Softmax, as they are or resampled."""
        return self._model.has_probabilities(output)

    def output_shape(
        self, shape: tuple[int, ...], output: str | None = None
    ) -> tuple[int, ...] | None:
        """The shape of `output` (default: the first) for a first input of `shape`, if it is known.

        Nothing is run. Raises `InputError` where the model does not take such an input.
        """
        return self._model.output_shape({next(iter(self.inputs)): shape}, output or self.outputs[0])

    def run(self, arrays: Iterable[NDArray[Any]], output: str | None = None) -> NDArray[Any]:
        """The value of `output` (default: the first) for `arrays`, one per input, in order."""
        output = output or self.outputs[0]
        if output not in self.outputs:
            raise InputError(
                f"{self.path}: there is no output {output!r}; there are {', '.join(self.outputs)}"
            )
        kind = self._outputs[output].type
        if not _NUMBERS.fullmatch(kind):
            raise InputError(
                f"{self.path}: output {output!r} is a {kind}; expected a tensor of numbers: choose "
                "another output with {output_blob}",
                options={"output_blob": None},
            )
        arrays = list(arrays)
        if len(arrays) != len(self.inputs):
            raise InputError(f"{self.path}: needs the inputs {', '.join(self.inputs)}")
        given = [np.ascontiguousarray(a, dtype) for a, dtype in zip(arrays, self._dtypes)]
        shapes = {name: array.shape for name, array in zip(self.inputs, given)}
        sizes = " and ".join("x".join(map(str, shape)) for shape in shapes.values())
        if shapes != self._checked:
            self._model.check_memory(shapes, f"an input of {sizes}")
            self._checked = shapes
        try:
            value: NDArray[Any] = self._session.run([output], dict(zip(self.inputs, given)))[0]
            return value
        except Exception as error:
            raise InputError(f"{self.path}: fails on an input of {sizes}: {error}") from error
