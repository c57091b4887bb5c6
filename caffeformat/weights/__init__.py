"""Trained parameters and solver states: caffemodel, solverstate, HDF5 and binaryproto files."""

from __future__ import annotations

from .blob import read_blob, read_mean, write_blob
from .caffemodel import Weights, read_caffemodel, write_caffemodel
from .hdf5 import is_hdf5, open_hdf5, read_dataset
from .norm_blobs import arranged_blobs
from .solverstate import SolverState, read_solver_state, write_solver_state

__all__ = [
    "SolverState",
    "Weights",
    "arranged_blobs",
    "is_hdf5",
    "open_hdf5",
    "read_blob",
    "read_caffemodel",
    "read_dataset",
    "read_mean",
    "read_solver_state",
    "write_blob",
    "write_caffemodel",
    "write_solver_state",
]
