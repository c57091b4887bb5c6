"""Caffe's files and the geometry of its nets, without an engine.

    from caffeformat import draw_network, infer_shapes, read_caffemodel, read_net
    net = read_net("deploy.prototxt")              # text or binary, of any age and fork
    infer_shapes(net)["score"]                     # (1, 21, 500, 500)
    read_caffemodel("fcn8s.caffemodel")["conv1"]   # [weight, bias], float32
    draw_network(net).save("net.svg")

Most users need only this module. `messages`, `weights`, `databases`, `files`, `geometry`, `drawing`
and `exchange` have more on their subjects.
"""

from __future__ import annotations

from . import geometry
from .databases import (
    DatabaseReader,
    LevelDbWriter,
    LmdbWriter,
    array_to_datum,
    datum_to_array,
    encoded_datum,
    open_database,
    parse_datum,
)
from .drawing import Drawing, draw_network
from .errors import DAMAGE, FormatError, InputError, brief, listed, printable, reading, reason
from .files import atomic_write, open_file, open_text, read_bytes
from .geometry import infer_shapes
from .memory import available_memory, total_memory
from .messages import (
    FORKS,
    ForkWarning,
    NetSpec,
    assuming_fork,
    filter_net,
    format_text,
    insert_splits,
    is_solver,
    layers,
    learning_rate,
    params,
    parse_text,
    pb,
    read_net,
    read_solver,
    read_text,
    to_proto,
    upgrade_net,
    upgrade_solver,
    write_text,
)
from .numerals import whole_number
from .weights import (
    SolverState,
    Weights,
    read_blob,
    read_caffemodel,
    read_mean,
    read_solver_state,
    write_blob,
    write_caffemodel,
    write_solver_state,
)

__all__ = [
    "DAMAGE",
    "FORKS",
    "DatabaseReader",
    "Drawing",
    "ForkWarning",
    "FormatError",
    "InputError",
    "LevelDbWriter",
    "LmdbWriter",
    "NetSpec",
    "SolverState",
    "Weights",
    "array_to_datum",
    "assuming_fork",
    "atomic_write",
    "available_memory",
    "brief",
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
    "listed",
    "open_database",
    "open_file",
    "open_text",
    "params",
    "parse_datum",
    "parse_text",
    "pb",
    "printable",
    "read_blob",
    "read_bytes",
    "read_caffemodel",
    "read_mean",
    "read_net",
    "read_solver",
    "read_solver_state",
    "read_text",
    "reading",
    "reason",
    "to_proto",
    "total_memory",
    "upgrade_net",
    "upgrade_solver",
    "whole_number",
    "write_blob",
    "write_caffemodel",
    "write_solver_state",
    "write_text",
]
