"""Caffe's files and geometry without an engine."""

from .errors import FormatError, InputError
from .net import filter_net, insert_splits, read_net, read_solver
from .schema import pb
from .text import format_text, parse_text, read_text, write_text
from .upgrade import upgrade_net, upgrade_solver

__all__ = [
    "FormatError",
    "InputError",
    "filter_net",
    "format_text",
    "insert_splits",
    "parse_text",
    "pb",
    "read_net",
    "read_solver",
    "read_text",
    "upgrade_net",
    "upgrade_solver",
    "write_text",
]
