"""The engines, BVLC Caffe and torchcaffe: choosing one, opening nets, running and comparing them.

Importing this room loads no engine; `load`, `open_net` and `open_solver` do.
"""

from __future__ import annotations

from .choice import VARIABLE, capabilities, has_bvlc, load, load_export, name, use_device
from .comparison import (
    Row,
    compare_nets,
    compare_solvers,
    comparison_row,
    random_layers,
    rows_as_data,
)
from .devices import (
    ALONE,
    Devices,
    Together,
    connect,
    data_turn,
    devices_of,
    has_launched,
    is_root,
    join,
    prepare_solvers,
    run_together,
)
from .differences import largest_absolute, largest_difference
from .door import (
    PRECISIONS,
    check_computing,
    forward,
    open_net,
    open_solver,
    precision_of_its_own,
    use_precision,
)
from .guards import PYTHON_MODULES, check_python_layers, refuse_forks, refuse_forks_of_solver
from .loading import compare_weights, copy_weights, fill_weights
from .memory import check_memory
from .pycaffe import Blob, Net, Solver, layer_params
from .runs import training_net
from .stepping import Hooks, skip_batches, train
from .values import batch_of, classes_of, gradient_of, set_gradient, set_values, values_of

__all__ = [
    "ALONE",
    "PRECISIONS",
    "PYTHON_MODULES",
    "VARIABLE",
    "Blob",
    "Devices",
    "Hooks",
    "Net",
    "Row",
    "Solver",
    "Together",
    "batch_of",
    "capabilities",
    "check_computing",
    "check_memory",
    "check_python_layers",
    "classes_of",
    "compare_nets",
    "compare_solvers",
    "compare_weights",
    "comparison_row",
    "connect",
    "copy_weights",
    "data_turn",
    "devices_of",
    "fill_weights",
    "forward",
    "gradient_of",
    "has_bvlc",
    "has_launched",
    "is_root",
    "join",
    "largest_absolute",
    "largest_difference",
    "layer_params",
    "load",
    "load_export",
    "name",
    "open_net",
    "open_solver",
    "precision_of_its_own",
    "prepare_solvers",
    "random_layers",
    "refuse_forks",
    "refuse_forks_of_solver",
    "rows_as_data",
    "run_together",
    "set_gradient",
    "set_values",
    "skip_batches",
    "train",
    "training_net",
    "use_device",
    "use_precision",
    "values_of",
]
