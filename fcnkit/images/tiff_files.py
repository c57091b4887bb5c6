"""Reads TIFFs of any number of bands, of 8, 16 and 32 bits, integers and floats, with tifffile."""

from __future__ import annotations

import contextlib
import io
import logging
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from caffeformat import InputError
from caffeformat.files import check_tiff_samples, open_file

from .array_files import depth_of, image_shape, only_channel, plain_samples
from .reading import turned_array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from .reading import ImageSource

# TIFF 6.0 and its technical notes.
_ORIENTATION = 274
_WHITE_IS_ZERO = 0  # PhotometricInterpretation
_ALPHA = (1, 2)  # ExtraSamples: transparency, premultiplied or not
_DEFLATE = (8, 32946)  # Compression
_SMALLER_OR_MASK = 1 | 4  # NewSubfileType

_PIECE = 1 << 20
_LARGE_TILE = 4096

# What it says of damaged files is said once, by the error; an application may still listen.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


class TiffFile(NamedTuple):
    """A TIFF: (H, W, C) as shown, the depth of its samples, whether the last is transparency."""

    shape: tuple[int, int, int]
    depth: str
    has_alpha: bool
    pixels: Callable[[], NDArray[Any]]


def open_tiff(source: ImageSource, name: str, may_be_indices: bool = False) -> TiffFile:
    """Open a TIFF, a path or its content, and check its header.

    Raises `InputError` for samples that are neither grey nor RGB, nor, where they `may_be_indices`,
    those of a palette; and for several pictures in one file. Smaller copies and masks of the first
    one do not count, and the pages of a file that declares them channels (ImageJ's, OME's) are
    these.
    """
    with _opened(source, name) as file:
        part, axes = _part(file, name)
        page = file.pages[0]
        check_tiff_samples(int(page.photometric), name, may_be_indices)
        shape = dict(zip(axes, part.shape))
        size = image_shape((shape["Y"], shape["X"], shape.get("S", shape.get("C", 1))), name)
        depth = depth_of(part.dtype, name)
        turn = _turn(page)
        extra = tuple(getattr(page, "extrasamples", ()) or ())
        has_alpha = "C" not in axes and extra[-1:] != () and int(extra[-1]) in _ALPHA
        for each in file.pages if axes == "CYX" else [page]:
            _check_inflated(file, each, size, name)
    height, width, channels = size
    shown = (width, height, channels) if turn >= 5 else size
    return TiffFile(shown, depth, has_alpha, lambda: _pixels(source, name, turn))


def grey_tiff(source: ImageSource, name: str) -> Image.Image:
    """A TIFF of one band that Pillow cannot read, as a `PIL.Image` of mode L, I;16 or F.

    It is turned by its orientation, as Pillow turns those that it reads. Raises `InputError` for
    several bands or pages.
    """
    found = open_tiff(source, name, may_be_indices=True)
    advice = "save the band that holds them as a file of its own"
    return only_channel(found, f"{name}: holds {found.shape[2]} bands", advice)


def _pixels(source: ImageSource, name: str, turn: int) -> NDArray[Any]:
    with _opened(source, name) as file:
        part, axes = _part(file, name)
        array: NDArray[Any] = part.asarray()
        is_inverted = int(file.pages[0].photometric) == _WHITE_IS_ZERO
    if axes in ("SYX", "CYX"):
        array = array.transpose(1, 2, 0)
    array = plain_samples(array.reshape(*array.shape[:2], -1), name)
    if is_inverted:
        if array.dtype == "float32":
            raise InputError(f"{name}: stores white as zero, expected black: save it anew")
        array = ~array
    return turned_array(array, turn)


def _part(file: Any, name: str) -> tuple[Any, str]:
    """The page or series that holds the image, and its axes: YX, YXS, SYX or CYX."""
    pages = file.pages
    page = pages[0]
    if len(pages) > 1 and not all(int(other.subfiletype) & _SMALLER_OR_MASK for other in pages[1:]):
        series = file.series[0]
        if series.axes == "CYX" and len(series.pages) == len(pages):
            return series, "CYX"
        raise InputError(
            f"{name}: holds {len(pages)} pages, expected one image: save the page that counts as a "
            "file of its own, or bands as the samples of one page (tifffile: "
            "planarconfig='contig')"
        )
    if page.axes not in ("YX", "YXS", "SYX"):
        raise InputError(f"{name}: holds pixels of {page.axes}, expected height x width x bands")
    return page, page.axes


def _turn(page: Any) -> int:
    tag = page.tags.get(_ORIENTATION)
    value = 1 if tag is None else int(tag.value)
    return value if 1 <= value <= 8 else 1


@contextlib.contextmanager
def _opened(source: ImageSource, name: str) -> Iterator[Any]:
    """A `tifffile.TiffFile`; whatever goes wrong in it is an `InputError`."""
    try:
        import tifffile
    except ImportError as error:
        raise InputError(
            f"{name}: TIFFs of more than 8 bits or of other numbers of bands than 1, 3 and 4 need "
            "the package tifffile: pip install tifffile"
        ) from error
    try:
        with contextlib.ExitStack() as stack:
            if isinstance(source, (bytes, bytearray, memoryview)):
                file: Any = io.BytesIO(source)
            else:
                file = stack.enter_context(open_file(source))
            yield stack.enter_context(tifffile.TiffFile(file))
    except InputError:
        raise
    except Exception as error:  # tifffile raises whatever a damaged file leads to
        advice = ": pip install imagecodecs" if "imagecodecs" in str(error) else ""
        raise InputError(f"{name}: cannot be read as a TIFF: {error}{advice}") from error


def _check_inflated(file: Any, page: Any, shape: tuple[int, int, int], name: str) -> None:
    """Refuse a part of the file that inflates to more than the whole image, before it does."""
    if int(getattr(page, "compression", _DEFLATE[0])) not in _DEFLATE:
        return
    height, width, channels = shape
    # Tiles at the border are whole ones, and samples have up to 8 bytes.
    if page.is_tiled:
        height += min(int(page.tilelength), _LARGE_TILE)
        width += min(int(page.tilewidth), _LARGE_TILE)
    most = 8 * height * width * channels
    handle = file.filehandle
    for offset, count in zip(page.dataoffsets, page.databytecounts):
        handle.seek(offset)
        inflate, rest, length = zlib.decompressobj(), handle.read(count), 0
        while rest and not inflate.eof:
            length += len(inflate.decompress(rest, _PIECE))
            rest = inflate.unconsumed_tail
            if length > most:
                raise InputError(f"{name}: refused, a part of it inflates past the image's size")
