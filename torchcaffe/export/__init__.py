"""Export to plain PyTorch: a net as a `torch.nn.Module`, and a module's weights back in Caffe."""

from __future__ import annotations

from .module import apply, from_module, from_state_dict, to_module
from .state_files import write_state

__all__ = ["apply", "from_module", "from_state_dict", "to_module", "write_state"]
