"""The way out of Caffe: a net as a plain `torch.nn.Module`, and back."""

from .module import apply, from_module, from_state_dict, to_module
from .state_files import read_state, write_state

__all__ = ["apply", "from_module", "from_state_dict", "read_state", "to_module", "write_state"]
