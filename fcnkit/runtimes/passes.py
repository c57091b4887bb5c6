"""A net's forward pass in a runtime: from an array of its input to one of its scores.

The model is built in memory; the weights stay in the caffemodel until the runtime reads them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from caffeformat import InputError, read_caffemodel, reason

from .heap import large_blocks_apart
from .onnx_net import to_onnx
from .packing import PackingWriter
from .session_options import session_options, threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from caffeformat import pb


# Where the files lie that a model in memory names.
_FOLDER = "session.model_external_initializers_file_folder_path"


class Pass(Protocol):
    """A net in a runtime."""

    def run(self, data: NDArray[np.float32]) -> NDArray[np.float32]:
        """The scores of `data`, N x C x H x W float32, in an array of their own.

        Raises `InputError` with the runtime's words where it fails.
        """


def plan(
    runtime: str, net: pb.NetParameter, weights: str, input_blob: str, output_blob: str
) -> Callable[[], Pass]:
    """A function that opens `net` with `weights` in `runtime`, "onnxruntime" or "openvino".

    `net` is a deploy net, filtered, whose input `input_blob` is N x C x H x W; the pass computes
    `output_blob` for any N, height and width. `weights` is the path of a caffemodel. Raises
    `InputError`, naming the layer or the input, for nets that the runtime cannot run so; the
    function raises it where the runtime itself fails.
    """
    path = os.path.realpath(weights)
    writer = PackingWriter(path) if runtime == "onnxruntime" else None
    model = to_onnx(net, read_caffemodel(path), [output_blob], writer=writer)
    _check_inputs(model, input_blob)
    if writer is not None:
        arrays = writer.arrays
        return lambda: _OnnxRuntimePass(model.SerializeToString(), arrays, os.path.dirname(path))
    return lambda: _OpenVinoPass(model.SerializeToString())


def _check_inputs(model: Any, blob: str) -> None:
    """Raise `InputError` unless the only input is that blob, with any height and width."""
    if len(model.graph.input) != 1:
        raise InputError(f"the net has other inputs than {blob!r}, which stay at zero in an engine")
    dims = model.graph.input[0].type.tensor_type.shape.dim
    if len(dims) != 4 or not (dims[2].dim_param and dims[3].dim_param):
        raise InputError("the net takes images of one size only")


class _OnnxRuntimePass:
    """A net in ONNX Runtime, on the CPU."""

    def __init__(self, model: bytes, arrays: dict[str, NDArray[np.float32]], folder: str) -> None:
        import onnxruntime

        options = session_options()
        options.add_session_config_entry(_FOLDER, folder)
        # It would keep a plan, and memory laid out by it, for every size of image.
        options.enable_mem_pattern = False
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays.values()]
        try:
            if values:
                options.add_external_initializers(list(arrays), values)
            with large_blocks_apart():
                self._session = onnxruntime.InferenceSession(
                    model, options, providers=["CPUExecutionProvider"], enable_fallback=0
                )
        except Exception as error:  # ONNX Runtime has a class for each kind of fault
            raise InputError(f"ONNX Runtime cannot open the net: {reason(error)}") from error
        self._input = self._session.get_inputs()[0].name
        self._outputs = [self._session.get_outputs()[0].name]

    def run(self, data: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            scores: NDArray[np.float32] = self._session.run(self._outputs, {self._input: data})[0]
        except Exception as error:
            raise InputError(f"ONNX Runtime fails: {reason(error)}") from error
        return scores


class _OpenVinoPass:
    """A net in OpenVINO, on the CPU, in float32: its own choice may be bfloat16."""

    def __init__(self, model: bytes) -> None:
        import openvino

        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        count = threads()
        if count is not None:
            settings["INFERENCE_NUM_THREADS"] = count
        try:
            core = openvino.Core()
            self._request = core.compile_model(
                core.read_model(model), "CPU", settings
            ).create_infer_request()
        except Exception as error:
            raise InputError(f"OpenVINO cannot open the net: {reason(error)}") from error

    def run(self, data: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            self._request.infer([data])
            return np.array(self._request.get_output_tensor(0).data)
        except Exception as error:
            raise InputError(f"OpenVINO fails: {reason(error)}") from error
