"""State dicts as files of PyTorch's own (`.pt`)."""

import os

import numpy as np
import torch

from caffeformat import FormatError
from caffeformat.files import atomic_write


def write_state(path, tensors):
    """Write named arrays so that `model.load_state_dict(torch.load(path))` reads them."""
    state = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
    with atomic_write(path) as file:
        torch.save(state, file)


def read_state(path):
    """The named tensors of a file as float32 arrays; `FormatError` where it holds anything else."""
    path = os.fspath(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise FormatError(path, f"PyTorch cannot read it as a state dict: {reason}") from error
    if not isinstance(state, dict) or not all(map(torch.is_tensor, state.values())):
        raise FormatError(path, "expected a state dict: names and their tensors, nothing else")
    arrays = {}
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
            raise FormatError(path, f'the tensor "{name}" is sparse, quantized or complex')
        # Parameters carry gradients, and NumPy has no bfloat16.
        arrays[name] = tensor.detach().float().numpy()
    return arrays
