"""Writes a file that is made from the code, or checks that it is current."""

from __future__ import annotations

import sys
from pathlib import Path


def write_or_check(path: Path, text: str, script: str) -> int:
    """Write `text` to `path`, or with `--check` among the arguments compare; the exit status.

    `script` is what the message tells to run where the file is out of date.
    """
    if "--check" not in sys.argv[1:]:
        path.write_text(text, encoding="utf-8")
        return 0
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return 0
    print(f"{path} is out of date: run {script}", file=sys.stderr)
    return 1
