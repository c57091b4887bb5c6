"""Files that somebody named: read with care, written so that nothing is lost.

Readers accept regular files of a bounded size. Outputs get their names when they are complete; what
a killed process left is removed by the next one that writes there; locks end with their process.
"""

from __future__ import annotations

from .bmp_indices import keep_bmp_indices
from .locks import locked, take_lock
from .overlap import is_within, refuse_overlap
from .png_sums import check_png_sums
from .reading import MOST_BYTES, MOST_TEXT, check_file, is_stream, open_file, open_text, read_bytes
from .temporary import TemporaryFolder, claimed_folder, entries_of
from .tiff_colours import check_tiff_colours, check_tiff_samples
from .writing import atomic_path, atomic_write, check_writable, disk_problem, open_append

__all__ = [
    "MOST_BYTES",
    "MOST_TEXT",
    "TemporaryFolder",
    "atomic_path",
    "atomic_write",
    "check_file",
    "check_png_sums",
    "check_tiff_colours",
    "check_tiff_samples",
    "check_writable",
    "claimed_folder",
    "disk_problem",
    "entries_of",
    "is_stream",
    "is_within",
    "keep_bmp_indices",
    "locked",
    "open_append",
    "open_file",
    "open_text",
    "read_bytes",
    "refuse_overlap",
    "take_lock",
]
