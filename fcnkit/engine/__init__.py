"""The door to the engines, BVLC Caffe and torchcaffe: choosing, opening, running, comparing."""

from .comparison import Row, as_data, compare_nets, compare_solvers, random_layers
from .differences import largest_absolute
from .door import (
    Blob,
    Hooks,
    Net,
    capabilities,
    check_python_layers,
    forward,
    load,
    load_export,
    open_net,
    open_solver,
    refuse_forks,
    refuse_forks_of_solver,
    train,
    use_device,
)
from .loading import compare_weights, copy_weights, fill_weights
from .memory import check
from .runs import training_net

__all__ = [
    "Blob",
    "Hooks",
    "Net",
    "Row",
    "as_data",
    "capabilities",
    "check",
    "check_python_layers",
    "compare_nets",
    "compare_solvers",
    "compare_weights",
    "copy_weights",
    "fill_weights",
    "forward",
    "largest_absolute",
    "load",
    "load_export",
    "open_net",
    "open_solver",
    "random_layers",
    "refuse_forks",
    "refuse_forks_of_solver",
    "train",
    "training_net",
    "use_device",
]
