"""Files and archives of uncertain origin, and safe output folders."""

from .archives import Member, members
from .folders import output_folder
from .json_files import known, parse_json, read_json, read_json_object, write_json
from .json_stream import list_elements
from .plain_pickle import MAX_BYTES, PICKLE_ERRORS, PlainUnpickler, Record, read_plain_pickle
from .tables import text_of, write_table

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
    "parse_json",
    "read_json",
    "read_json_object",
    "read_plain_pickle",
    "text_of",
    "write_json",
    "write_table",
]
