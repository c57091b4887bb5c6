"""What the samples of a TIFF stand for: grey, RGB, what becomes RGB, or nothing to show."""

from __future__ import annotations

from typing import Any

from caffeformat.errors import DAMAGE, InputError

# PhotometricInterpretation in TIFF 6.0, its supplements and DNG. Grey, RGB, masks and depths are
# taken as they are.
_AS_STORED = (0, 1, 2, 4, 51177, 52527)
_PALETTE = 3
_OTHERS = {
    3: "indices of a palette",
    5: "amounts of inks (CMYK or others)",
    6: "YCbCr",
    8: "CIELab",
    9: "ICC Lab",
    10: "ITU Lab",
    32803: "the mosaic of a camera's sensor",
    32844: "logarithms of brightness (LogL)",
    32845: "LogLuv",
    34892: "a camera's raw colours",
}

_PHOTOMETRIC, _WHITE, _INK_SET = 262, 318, 332  # tags
_FACTORS, _SUBSAMPLING, _RANGE = 529, 530, 532
_D50 = (0.3457, 0.3585)  # the white of CIELab for Little CMS, and for programs that write no tag
_BT601 = (0.299, 0.587, 0.114)
_FULL_RANGE = (0, 255, 128, 255, 128, 255)
_NEAR = 0.002
_JPEG = ("jpeg", "tiff_jpeg")  # compressions, as newer and older Pillows call them


def check_tiff_samples(photometric: int, name: str, may_be_indices: bool) -> None:
    """Raise `InputError` where the samples of a TIFF, as they are stored, are no image.

    Indices of a palette are a label.
    """
    if photometric not in _AS_STORED and not (may_be_indices and photometric == _PALETTE):
        raise _refusal(name, _OTHERS.get(photometric, "something unknown"), photometric)


def check_tiff_colours(image: Any, name: str) -> None:
    """Raise `InputError` where Pillow would give the open image of a TIFF other colours than its.

    It takes uncompressed YCbCr for that of JPEG, all inks for CMYK, and all Lab for that of D50.
    Compressed YCbCr it leaves to libtiff.
    """
    if image.format != "TIFF":
        return
    tags = image.tag_v2
    try:
        if _is_unsampled(image):
            raise _refusal(name, "YCbCr without saying of how many pixels each colour is", 6)
        if image.mode == "YCbCr" and not _is_as_in_jpeg(image):
            raise _refusal(name, "YCbCr in another form than JPEG's", 6)
        if image.mode == "LAB" and not _are_near(tags.get(_WHITE, _D50), _D50):
            raise _refusal(name, "CIELab of another white than D50", 8)
        if image.mode == "CMYK" and tags.get(_INK_SET, 1) != 1:
            raise _refusal(name, "amounts of inks that are not CMYK", 5)
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"{name}: what it says of its colours is damaged: {error}") from error


def _is_unsampled(image: Any) -> bool:
    """Whether libtiff takes YCbCr for one colour per 2 x 2 pixels because no tag says otherwise.

    Older Pillows wrote such files with a colour for each pixel. A JPEG in a TIFF says it itself.
    """
    is_left_to_libtiff = image.mode != "YCbCr" and image.info.get("compression") not in _JPEG
    tags = image.tag_v2
    return tags.get(_PHOTOMETRIC) == 6 and is_left_to_libtiff and _SUBSAMPLING not in tags


def _is_as_in_jpeg(image: Any) -> bool:
    """Whether the YCbCr of an uncompressed TIFF is that of JPEG, with all samples of each pixel."""
    tags = image.tag_v2
    steps = tags.get(_SUBSAMPLING)
    if steps is None:  # the format's default is half the pixels, which some writers do not know
        width, height = image.size
        sizes = tags.get(279) or tags.get(325) or (0,)  # of strips; of tiles
        steps = (1, 1) if sum(sizes) >= 3 * width * height else (2, 2)
    return (
        tuple(steps) == (1, 1)
        and _are_near(tags.get(_FACTORS, _BT601), _BT601)
        and _are_near(tags.get(_RANGE, _FULL_RANGE), _FULL_RANGE)
    )


def _are_near(found: Any, expected: tuple[float, ...]) -> bool:
    return len(found) == len(expected) and all(
        abs(float(one) - other) < _NEAR for one, other in zip(found, expected)
    )


def _refusal(name: str, what: str, photometric: int) -> InputError:
    return InputError(
        f"{name}: stores {what} (PhotometricInterpretation {photometric}), expected grey or RGB: "
        "convert it to RGB in the program that made it"
    )
