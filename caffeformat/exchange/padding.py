"""Caffe's pooling expressed as padding, for libraries that always round the output size down."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caffeformat.geometry import Window


def trailing_pad(window: Window, ceil: bool) -> int:
    """Padding after an axis with which rounding down gives the windows that Caffe uses.

    `window` is one of `pooling_windows`. If `ceil`, Caffe rounds up, to which stride - 1 more
    pixels amount for every size. With padding it also drops a window that would start at or past
    image + pad, which no more than kernel - 1 pixels after the image ensure.
    """
    behind = window.pad + (window.stride - 1 if ceil else 0)
    return min(behind, window.kernel - 1) if window.pad else behind


def has_whole_windows(window: Window) -> bool:
    """Whether AVE pooling divides by how much of a window lies in the image, padding included.

    Where it skips two pixels or more, the last window may begin past the one behind the image:
    Caffe then divides by a negative number.
    """
    return window.stride <= window.kernel + 1
