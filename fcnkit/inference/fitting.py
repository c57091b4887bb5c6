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
    Data = NDArray[np.float32]  # N x C x H x W


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
        taken = self.padded_size(wanted)
        return min(wanted[0], taken[0]), min(wanted[1], taken[1])

    def fitted(self, data: Data) -> Data:
        """`data`, no larger than its `window`, as the net takes it: itself, or padded."""
        height, width = data.shape[2:]
        size = self.padded_size((height, width))
        if size == (height, width):
            return data
        padded = np.zeros((*data.shape[:2], *size), np.float32)
        padded[:, :, :height, :width] = data
        return padded

    def padded_size(self, size: Size) -> Size:
        """The size at which an input of `size`, no larger than its `window`, goes through."""
        return size if self._sizes is None else self._sizes.nearest(size)

    def scores(self, data: Data, name: str) -> NDArray[np.float32]:
        """Class scores of `data`, no larger than its `window`: N x classes x H x W.

        The next pass may overwrite them. Raises as `Network.forward`, and `InputError` for scores
        that are not of the input's size or not finite.
        """
        sizes = [(data.shape[2], data.shape[3])] * len(data)
        made = self._forward(self.fitted(data), name)
        self._check_finite(self._cropped(made, sizes), name)
        return made[:, :, : data.shape[2], : data.shape[3]]

    def scores_of_sizes(
        self, data: Data, sizes: Sequence[Size], name: str
    ) -> list[NDArray[np.float32]]:
        """Class scores of each of N inputs of `sizes` that lie padded in `data`: classes x H x W.

        All have the same `padded_size`, which is that of `data`. As `scores`.
        """
        made = self._cropped(self._forward(data, name), sizes)
        self._check_finite(made, name)
        return made

    @staticmethod
    def _cropped(scores: NDArray[np.float32], sizes: Sequence[Size]) -> list[NDArray[np.float32]]:
        return [one[:, :height, :width] for one, (height, width) in zip(scores, sizes)]

    def _forward(self, data: Data, name: str) -> NDArray[np.float32]:
        scores = self._network.forward(data, name)
        self._check_shape(scores.shape[1:], data.shape)
        if len(scores) != len(data):
            raise InputError(
                f"{self._source}: returns scores of {len(scores)} images for {len(data)}"
            )
        return scores

    def _check_finite(self, scores: Sequence[NDArray[np.float32]], name: str) -> None:
        if all(map(is_finite, scores)):
            return
        raise InputError(
            f"{name}: the scores are not finite numbers: the weights in {self._weights} come from "
            "a training run that diverged, or belong to another net"
        )

    def classes(self, channels: int, size: Size, name: str) -> int:
        """The number of classes that the net scores, from its shapes for a window of `size`."""
        wanted = (1, channels, *self.padded_size(size))
        shape = self._network.output_shape(wanted, name)[1:]
        self._check_shape(shape, wanted)
        return int(shape[0])

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
