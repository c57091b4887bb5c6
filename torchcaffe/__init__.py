"""Caffe on PyTorch, under pycaffe's names."""

from . import threads  # noqa: F401  isort: skip - before anything that imports PyTorch

from caffeformat import NetSpec, params, pb, to_proto

from . import coord_map, draw, io, layers, log, net_spec
from .blob import Blob
from .classifier import Classifier
from .data_parallel import NCCL, has_nccl
from .detector import Detector
from .device import set_device, set_mode_cpu, set_mode_gpu, set_random_seed
from .layers import layer_type_list
from .log import init_log
from .net import Net
from .process import (
    Timer,
    set_multiprocess,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from .proto import caffe_pb2  # noqa: F401 - scripts say caffe.proto.caffe_pb2
from .python_layers import Layer, allow_python_modules
from .solver import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    get_solver,
)

TRAIN, TEST = pb.TRAIN, pb.TEST
__version__ = "1.0.0"  # the Caffe whose behaviour this is

# What the engine can do beyond pycaffe.
CAPABILITIES = frozenset()

__all__ = [
    "CAPABILITIES",
    "NCCL",
    "TEST",
    "TRAIN",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Blob",
    "Classifier",
    "Detector",
    "Layer",
    "NesterovSolver",
    "Net",
    "NetSpec",
    "RMSPropSolver",
    "SGDSolver",
    "Timer",
    "allow_python_modules",
    "coord_map",
    "draw",
    "get_solver",
    "has_nccl",
    "init_log",
    "io",
    "layer_type_list",
    "layers",
    "log",
    "net_spec",
    "params",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
    "to_proto",
]
