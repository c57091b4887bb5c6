"""Caffe's files and geometry without an engine."""

from caffeformat.databases import (
    LmdbWriter,
    array_to_datum,
    datum_to_array,
    encoded_datum,
    open_database,
)
from caffeformat.drawing import draw_network
from caffeformat.errors import FormatError, InputError
from caffeformat.geometry import infer_shapes
from caffeformat.messages import (
    NetSpec,
    filter_net,
    format_text,
    insert_splits,
    is_solver,
    layers,
    params,
    parse_text,
    read_net,
    read_solver,
    read_text,
    to_proto,
    upgrade_net,
    upgrade_solver,
    write_text,
)
from caffeformat.weights import (
    SolverState,
    Weights,
    read_blob,
    read_caffemodel,
    read_solver_state,
    write_blob,
    write_caffemodel,
    write_solver_state,
)

from . import geometry
from .files import atomic_write, read_bytes
from .memory import available_memory, total_memory
from .messages import learning_rate, pb

__all__ = [
    "FormatError",
    "InputError",
    "LmdbWriter",
    "NetSpec",
    "SolverState",
    "Weights",
    "array_to_datum",
    "atomic_write",
    "available_memory",
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
    "learning_rate",
    "open_database",
    "params",
    "parse_text",
    "pb",
    "read_blob",
    "read_bytes",
    "read_caffemodel",
    "read_net",
    "read_solver",
    "read_solver_state",
    "read_text",
    "to_proto",
    "total_memory",
    "upgrade_net",
    "upgrade_solver",
    "write_blob",
    "write_caffemodel",
    "write_solver_state",
    "write_text",
]
