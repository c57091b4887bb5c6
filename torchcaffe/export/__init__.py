"""The way out of Caffe: a net as a plain `torch.nn.Module`, and back."""

from .module import apply, from_module, from_state_dict, to_module
from .state_files import write_state

__all__ = ["apply", "from_module", "from_state_dict", "to_module", "write_state"]
