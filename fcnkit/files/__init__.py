"""Files and archives of uncertain origin, and safe output folders."""

from .archives import Member, members
from .folders import output_folder
from .json_files import known, write_json
from .json_stream import list_elements
from .plain_pickle import MAX_BYTES, PICKLE_ERRORS, PlainUnpickler, Record, read_plain_pickle

__all__ = [
    "MAX_BYTES",
    "PICKLE_ERRORS",
    "Member",
    "PlainUnpickler",
    "Record",
    "known",
    "list_elements",
    "members",
    "output_folder",
    "read_plain_pickle",
    "write_json",
]
