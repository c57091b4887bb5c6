"""Caffe's files and geometry without an engine."""

from . import geometry, pb
from .blob import read_blob, write_blob
from .caffemodel import Weights, read_caffemodel, write_caffemodel
from .database import LmdbWriter, open_database
from .datum import array_to_datum, datum_to_array, encoded_datum
from .drawing import draw_network
from .errors import FormatError, InputError
from .net import filter_net, insert_splits, is_solver, read_net, read_solver
from .net_spec import NetSpec, layers, params, to_proto
from .shapes import infer_shapes
from .solverstate import SolverState, read_solver_state, write_solver_state
from .text import format_text, parse_text, read_text, write_text
from .upgrade import upgrade_net, upgrade_solver

__all__ = [
    "FormatError",
    "InputError",
    "LmdbWriter",
    "NetSpec",
    "SolverState",
    "Weights",
    "array_to_datum",
    "datum_to_array",
    "draw_network",
    "encoded_datum",
    "filter_net",
    "format_text",
    "geometry",
    "infer_shapes",
    "insert_splits",
    "is_solver",
    "layers",
    "open_database",
    "params",
    "parse_text",
    "pb",
    "read_blob",
    "read_caffemodel",
    "read_net",
    "read_solver",
    "read_solver_state",
    "read_text",
    "to_proto",
    "upgrade_net",
    "upgrade_solver",
    "write_blob",
    "write_caffemodel",
    "write_solver_state",
    "write_text",
]
