"""State dicts as PyTorch's own files (`.pt`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from caffeformat import atomic_write

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write_state(path: str | os.PathLike[str], tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """Write named arrays to a file that `model.load_state_dict(torch.load(path))` reads."""
    state = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
    with atomic_write(path) as file:
        torch.save(state, file)
