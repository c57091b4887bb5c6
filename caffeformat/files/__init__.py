"""Files that somebody named: read with care, written so that nothing is lost.

Readers accept regular files of a bounded size. Outputs get their names when they are complete; what
a killed process left is removed by the next one that writes there; locks end with their process.
"""

from __future__ import annotations

from .locks import locked
from .overlap import is_within, refuse_overlap
from .reading import MOST_BYTES, MOST_TEXT, check_file, is_stream, open_file, open_text, read_bytes
from .temporary import TemporaryFolder
from .writing import atomic_path, atomic_write, check_writable, disk_problem

__all__ = [
    "MOST_BYTES",
    "MOST_TEXT",
    "TemporaryFolder",
    "atomic_path",
    "atomic_write",
    "check_file",
    "check_writable",
    "disk_problem",
    "is_stream",
    "is_within",
    "locked",
    "open_file",
    "open_text",
    "read_bytes",
    "refuse_overlap",
]
