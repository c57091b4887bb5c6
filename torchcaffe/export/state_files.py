"""State dicts as files of PyTorch's own (`.pt`)."""

import numpy as np
import torch

from caffeformat.files import atomic_write


def write_state(path, tensors):
    """Write named arrays so that `model.load_state_dict(torch.load(path))` reads them."""
    state = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
    with atomic_write(path) as file:
        torch.save(state, file)
