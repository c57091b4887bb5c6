"""The width of text, so that boxes fit it without loading a font.

These are the widths of DejaVu Sans, the widest of the fonts that pictures name.
"""

from __future__ import annotations

# Advance widths of U+0020 to U+007E in thousandths of the font size
_REGULAR = (
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
)  # fmt: skip
_OTHER, _WIDE = 850, 1050  # of characters such as ×, and of full-width ones
_BOLD = 1.12  # DejaVu Sans Bold relative to the regular face


def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of `text` at font size `size`, both in pixels."""
    total: float = 0
    for character in text:
        code = ord(character)
        if 32 <= code < 127:
            total += _REGULAR[code - 32]
        else:
            total += _WIDE if code >= 0x1100 else _OTHER
    return total * size / 1000 * (_BOLD if bold else 1)
