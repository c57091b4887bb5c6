"""Which sizes of images an ONNX model takes, from its shapes or, where they are open, by trying."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from caffeformat import InputError
from fcnkit.nets import SizeSearch

if TYPE_CHECKING:
    from typing import Optional

    Size = tuple[int, int]  # height, width
    Shape = Optional[tuple[int, ...]]

# Models that take both of these take any: their lengths share no factor, and differ in every
# remainder of 2, 4, 8 and 16.
_ODD = ((131, 157), (142, 169))
_OWN = (128, 129, 256, 257, 224, 225, 320, 321)  # sides that models are made for
_TRIED_FROM = 256  # longer sides are tried by shorter ones with the same remainder of this half


class SizedModel(Protocol):
    """What is asked of a model."""

    sides: tuple[int | None, int | None]  # height and width, each None where any will do

    def made_shape(self, size: Size) -> Shape:
        """The shape of the scores for an image of `size`, None if only a pass would show it.

        Raises `InputError` where the model does not take it.
        """

    def tried_shape(self, size: Size) -> tuple[int, ...]:
        """As `made_shape`, from a pass over an empty image."""


class OnnxSizes(SizeSearch):
    """The sizes (height, width) of images that an ONNX model takes and scores pixel by pixel.

    A side that the model states is the only one it takes. Where it states none, a size is taken if
    the rules of its operators allow it and the scores have the image's height and width. Where the
    rules leave that open, smaller images with the same remainders are tried. A model for which no
    size is found is left to say itself what does not fit.
    """

    def __init__(self, model: SizedModel) -> None:
        super().__init__()
        self._model = model
        self._known: dict[Size, bool] = {}
        self._is_free: bool | None = None

    def nearest(self, size: Size) -> Size:
        height, width = self._model.sides
        if height is not None and width is not None:
            return height, width
        if self._is_free is None:
            self._is_free = height is None and width is None and all(map(self.takes, _ODD))
        return size if self._is_free else super().nearest(size)

    def takes(self, size: Size) -> bool:
        if any(side not in (None, wanted) for side, wanted in zip(self._model.sides, size)):
            return False
        if size not in self._known:
            self._known[size] = self._look(size)
        return self._known[size]

    def _look(self, size: Size) -> bool:
        try:
            shape = self._model.made_shape(size)
            if shape is not None:
                return shape[-2:] == size
            short = self._shortened(size)
            if short != size:
                return self.takes(short)
            return self._model.tried_shape(size)[-2:] == size
        except InputError:
            return False

    def _shortened(self, size: Size) -> Size:
        half = _TRIED_FROM // 2
        height, width = (
            extent if side is not None or extent < _TRIED_FROM else half + extent % half
            for extent, side in zip(size, self._model.sides)
        )
        return height, width

    def _base(self, size: Size) -> Size | None:
        if self._own is None:
            height, width = self._model.sides
            candidates = ((height or side, width or side) for side in _OWN)
            self._own = next(filter(self.takes, candidates), None)
        return self._own
