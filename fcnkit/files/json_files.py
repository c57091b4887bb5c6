"""JSON files: written whole or not at all, numbers that are unknown as null."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from caffeformat import atomic_write

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    Names = Sequence[str] | None


def write_json(path: str | os.PathLike[str], data: Any) -> None:
    """Write plain data as JSON, atomically."""
    with atomic_write(path, "w") as file:
        json.dump(data, file, indent=1, allow_nan=False)
        file.write("\n")


def known(value: Any) -> Any:
    """`value` for JSON: None in place of NaN and infinity, which JSON does not have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
