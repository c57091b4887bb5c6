"""Caffe on PyTorch, under pycaffe's names.

`import torchcaffe as caffe` is all that a script written for pycaffe needs.
"""

from __future__ import annotations

import sys

from torchcaffe import core  # noqa: F401  isort: skip - before anything that imports PyTorch

from caffeformat import NetSpec, params, pb, to_proto
from torchcaffe import (
    coord_map,
    draw,
    io,
    layers,
    log,
    net_spec,
    proto,
)
from torchcaffe.classifier import Classifier
from torchcaffe.core import (
    Blob,
    BlobVec,
    BoolVec,
    DtypeVec,
    IntVec,
    LayerVec,
    NetVec,
    RawBlobVec,
    StringVec,
    Timer,
    precision,
    set_device,
    set_mode_cpu,
    set_mode_gpu,
    set_multiprocess,
    set_precision,
    set_random_seed,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from torchcaffe.detector import Detector
from torchcaffe.layers import PythonLayer as Layer
from torchcaffe.layers import allow_python_modules, layer_type_list
from torchcaffe.log import init_log
from torchcaffe.nets import Net
from torchcaffe.solvers import (
    NCCL,
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    Solver,
    get_solver,
    has_nccl,
)

TRAIN, TEST = pb.TRAIN, pb.TEST
LayerParameter, SolverParameter = pb.LayerParameter, pb.SolverParameter
# pycaffe's inner modules: everything in them is here.
_caffe = pycaffe = sys.modules[__name__]
__version__ = "1.0.0"  # the Caffe whose behaviour this is

# What the engine can do beyond pycaffe.
CAPABILITIES: frozenset[str] = frozenset()

__all__ = [
    "CAPABILITIES",
    "NCCL",
    "TEST",
    "TRAIN",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Blob",
    "BlobVec",
    "BoolVec",
    "Classifier",
    "Detector",
    "DtypeVec",
    "IntVec",
    "Layer",
    "LayerParameter",
    "LayerVec",
    "NesterovSolver",
    "Net",
    "NetSpec",
    "NetVec",
    "RMSPropSolver",
    "RawBlobVec",
    "SGDSolver",
    "Solver",
    "SolverParameter",
    "StringVec",
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
    "precision",
    "proto",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_precision",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
    "to_proto",
]
