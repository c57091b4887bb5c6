"""Caffe's pooling said as padding, for libraries whose windows always round down."""


def trailing_pad(window, ceil):
    """Padding behind an axis with which rounding down lays the windows that Caffe lays.

    `window` is one of `windows.pooling_windows`. Caffe rounds up where `ceil`, which stride - 1
    more pixels do for every size; and with padding it drops a window that would start at or past
    image + pad, which is so when no more than kernel - 1 pixels are behind the image.
    """
    behind = window.pad + (window.stride - 1 if ceil else 0)
    return min(behind, window.kernel - 1) if window.pad else behind
