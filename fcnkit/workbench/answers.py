"""Answers with scores, each of which takes megabytes as text."""

from __future__ import annotations

import json
import tempfile
from typing import TYPE_CHECKING, Any

import flask
import numpy as np

from caffeformat import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import IO, Optional

    from numpy.typing import NDArray

    # (title of the image, or None for the only one; blob; scores C x h x w)
    Output = tuple[Optional[str], str, NDArray[np.float32]]

_MOST_VALUES = 200_000_000  # of an answer, nearly two gigabytes of text


def with_scores(outputs: Iterable[Output], more: Mapping[str, Any] | None = None) -> Any:
    """Return {"outputs": {title: {blob: [nested lists]}}} with the fields `more`, as JSON.

    Without titles, it is {"outputs": {blob: [nested lists]}}. The text is put together in a file:
    as Python's numbers, the scores of one photo can take more memory than a machine has.
    Raises `InputError` for more values than an answer can have, and for scores that are no numbers.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115  (closed when it is sent)
    try:
        file.write(b'{"outputs": {')
        left = _MOST_VALUES
        for place, (title, blob, scores) in enumerate(outputs):
            left -= scores.size
            if left < 0:
                raise InputError(
                    f"the scores are more than the {_MOST_VALUES:,} numbers of an answer: ask for "
                    "fewer or smaller images, for form=rle, or for infer_one.png"
                )
            if not np.isfinite(scores).all():
                raise InputError(
                    f"{title or blob}: the network's scores are no numbers: its training diverged"
                )
            file.write(b", " if place else b"")
            if title is None:
                _write_scores(file, blob, scores)
            else:
                file.write(json.dumps(title).encode() + b": {")
                _write_scores(file, blob, scores)
                file.write(b"}")
        file.write(b"}")
        for name, value in (more or {}).items():
            file.write(f", {json.dumps(name)}: {json.dumps(value)}".encode())
        file.write(b"}\n")
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return flask.send_file(file, mimetype="application/json")


def _write_scores(file: IO[bytes], blob: str, scores: NDArray[np.float32]) -> None:
    """Write `"blob": [nested lists]`, a row of an image at a time."""
    file.write(json.dumps(blob).encode() + b": [[")
    for number, channel in enumerate(np.round(scores, 6)):
        file.write(b", [" if number else b"[")
        for place, row in enumerate(channel):
            file.write((", " if place else "").encode() + json.dumps(row.tolist()).encode())
        file.write(b"]")
    file.write(b"]]")
