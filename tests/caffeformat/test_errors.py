"""Errors get from worker processes to the one that waits for them."""

import pickle

from caffeformat import FormatError


def test_a_format_error_survives_pickling():
    error = pickle.loads(pickle.dumps(FormatError("net.prototxt", "no such field", 3, 7)))
    assert isinstance(error, FormatError)
    assert str(error) == "net.prototxt:3:7: no such field"
    assert (error.source, error.line, error.column) == ("net.prototxt", 3, 7)
