"""Writes PNG files of results in little time."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def write_png(file: IO[bytes], image: NDArray[np.uint8], palette: ArrayLike | None = None) -> None:
    """Write `image`, H x W x 3 RGB or H x W, uint8, as a PNG file.

    With a `palette`, 256 x 3 RGB, H x W are indices into it; without one they are grey.
    """
    made = Image.fromarray(image)
    if palette is not None:
        made.putpalette(np.asarray(palette, np.uint8).tobytes())
    # A photograph hardly becomes smaller by the time that a higher level takes; class maps do.
    made.save(file, format="PNG", compress_level=1 if image.ndim == 3 else 6)
