"""Runs a net on inputs of any size: what it does not take is padded, or has to be cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from caffeformat import InputError

from .winners import is_finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .network import Network

    Size = tuple[int, int]  # height, width
    Data = NDArray[np.float32]  # 1 x C x H x W


class Sizes(Protocol):
    """The sizes that a net takes, such as `nets.ImageSizes`."""

    def nearest(self, size: Size) -> Size:
        """The next size that is taken: larger, else smaller."""


class FittedNetwork:
    """A `Network` for inputs of any size.

    Sizes that the net takes go through it as they are. Others are padded at the bottom and at the
    right to the next size that it takes, with 0, which is the mean colour; where no larger one is
    taken, `window` says into what the input has to be cut. Which sizes a net takes follows from
    the shapes of its layers (`nets.ImageSizes`).

    `source` and `weights` are what errors call the net and its weights, `sizes` those that it
    takes, None where any will do; `has_probabilities` says whether its scores are some.
    """

    def __init__(
        self,
        network: Network,
        source: str,
        weights: str,
        sizes: Sizes | None,
        has_probabilities: bool = False,
    ) -> None:
        self._network, self._source, self._weights = network, source, weights
        self._sizes, self.has_probabilities = sizes, has_probabilities

    def window(self, size: Size, limit: int | None = None) -> Size:
        """The windows that an input of `size` is cut into, at most `limit` pixels high and wide.

        That is `size` itself where the input goes through the net as a whole.
        """
        wanted = size if limit is None else (min(size[0], limit), min(size[1], limit))
        taken = self._padded(wanted)
        return min(wanted[0], taken[0]), min(wanted[1], taken[1])

    def fitted(self, data: Data) -> Data:
        """`data`, no larger than its `window`, as the net takes it: itself, or padded."""
        height, width = data.shape[2:]
        size = self._padded((height, width))
        if size == (height, width):
            return data
        padded = np.zeros((*data.shape[:2], *size), np.float32)
        padded[:, :, :height, :width] = data
        return padded

    def scores(self, data: Data, name: str) -> NDArray[np.float32]:
        """Class scores of `data`, no larger than its `window`: classes x H x W.

        The next pass may overwrite them. Raises as `Network.forward`, and `InputError` for scores
        that are not of the input's size or not finite.
        """
        fitted = self.fitted(data)
        scores: NDArray[np.float32] = self._network.forward(fitted, name)[0]
        self._check_shape(scores.shape, fitted.shape)
        scores = scores[:, : data.shape[2], : data.shape[3]]
        if not is_finite(scores):
            raise InputError(
                f"{name}: the scores are not finite numbers: the weights in {self._weights} come "
                "from a training run that diverged, or belong to another net"
            )
        return scores

    def classes(self, channels: int, size: Size, name: str) -> int:
        """The number of classes that the net scores, from its shapes for a window of `size`."""
        wanted = (1, channels, *self._padded(size))
        shape = self._network.output_shape(wanted, name)[1:]
        self._check_shape(shape, wanted)
        return int(shape[0])

    def _padded(self, size: Size) -> Size:
        return size if self._sizes is None else self._sizes.nearest(size)

    def _check_shape(self, shape: Sequence[int], data: Sequence[int]) -> None:
        """Raise `InputError` where `shape` is not classes x height x width of the input."""
        if len(shape) == 3 and tuple(shape[1:]) == tuple(data[2:]) and shape[0] >= 2:
            return
        raise InputError(
            f"{self._source}: blob {self._network.output_blob!r} is {'x'.join(map(str, shape))} "
            f"for an image of {data[3]}x{data[2]}; expected classes x height x width of the image: "
            "choose another blob with {option}",
            option="output_blob",
        )
