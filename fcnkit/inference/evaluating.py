"""The scores of images from a net, a mean and an evaluation: one pass or many, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .averaging import Block, Passes, probabilities

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from fcnkit.images import Preprocessor

    from .averaging import Evaluation
    from .fitting import FittedNetwork

    Scores = NDArray[np.float32]
    Image = NDArray[Any]  # H x W x channels


class Evaluator:
    """Scores images with a net as an `Evaluation` says; images are H x W x channels."""

    def __init__(
        self, fitted: FittedNetwork, preprocessor: Preprocessor, evaluation: Evaluation
    ) -> None:
        self.fitted, self.preprocessor, self.evaluation = fitted, preprocessor, evaluation
        self._input: NDArray[np.float32] = np.empty(0, np.float32)

    def key(self, shape: tuple[int, int], channels: int) -> Hashable:
        """Equal for images that may go through the net together: it sees them at one size.

        `shape` is an image's (height, width).
        """
        size = self.fitted.padded_size(shape) if self.is_whole(shape) else shape
        return self.is_whole(shape), size, channels

    def blocks(self, images: Sequence[Image], name: str) -> Iterator[list[Block]]:
        """The scores of `images`, which have one `key`: for each part, a `Block` of each image.

        `name` is what errors call them. The next pass may overwrite the scores of an image that is
        not cut.
        """
        shape = (images[0].shape[0], images[0].shape[1])
        if self.is_whole(shape):
            sizes = [(image.shape[0], image.shape[1]) for image in images]
            found = self.fitted.scores_of_sizes(self.input_for(images), sizes, name)
            yield [
                Block(slice(0, height), slice(0, width), scores)
                for (height, width), scores in zip(sizes, found)
            ]
            return
        for block in self._passes(images, shape, name):
            yield [Block(block.rows, block.columns, scores) for scores in block.scores]

    def window(self, image: Image) -> tuple[int, int]:
        """The (height, width) of the windows that `image` is cut into."""
        return self.fitted.window((image.shape[0], image.shape[1]), self.evaluation.window)

    def classes(self, image: Image, name: str) -> int:
        """The number of classes, from the net's shapes for a window of `image`."""
        return self.fitted.classes(image.shape[2], self.window(image), name)

    def confidence(self, scores: Scores) -> Scores:
        """The probability of the class of highest score at every pixel, of classes x H x W."""
        highest: Scores = scores.max(0)
        if self.fitted.has_probabilities or not self.evaluation.is_plain:
            return highest
        return np.asarray(1 / sum(np.exp(plane - highest) for plane in scores), np.float32)

    def is_whole(self, shape: tuple[int, int]) -> bool:
        """Whether images of `shape` go through the net as a whole, in one pass."""
        return self.evaluation.is_plain and self.fitted.window(shape) == shape

    def _passes(
        self, images: Sequence[Image], shape: tuple[int, int], name: str
    ) -> Iterator[Block]:
        """The averaged scores of images of one shape, N x classes x rows x columns."""
        plan, limit = self.evaluation, self.evaluation.window
        prepared: list[NDArray[np.float32]] = []
        if self.preprocessor.mean is not None and self.preprocessor.mean.ndim == 3:
            # A mean with a value per pixel is subtracted before the image is cut.
            prepared += [self.preprocessor(image) for image in images]

        def part(top: int, left: int, bottom: int, right: int) -> NDArray[np.float32]:
            if prepared:
                return np.concatenate([planes[:, :, top:bottom, left:right] for planes in prepared])
            cut = [self.preprocessor(image[top:bottom, left:right]) for image in images]
            return cut[0] if len(cut) == 1 else np.concatenate(cut)

        def score(data: NDArray[np.float32]) -> Scores:
            if plan.is_plain:
                return self.fitted.scores(data, name)
            return self._averaged(data, name)

        passes = Passes(
            shape, plan.scales, part, score, lambda size: self.fitted.window(size, limit)
        )
        yield from passes.blocks(len(images) * self.classes(images[0], name))

    def _averaged(self, data: NDArray[np.float32], name: str) -> Scores:
        """The probabilities for an input N x C x H x W, and with `flip` its mirror images'."""
        found = self._probabilities(self.fitted.scores(data, name))
        if self.evaluation.flip:
            mirrored = np.ascontiguousarray(data[..., ::-1])
            found += self._probabilities(self.fitted.scores(mirrored, name))[..., ::-1]
            found /= 2
        return found

    def _probabilities(self, scores: Scores) -> Scores:
        return scores.copy() if self.fitted.has_probabilities else probabilities(scores)

    def input_for(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """The net's input for `images`, N x C x H x W; the next one may overwrite it."""
        first = images[0]
        size = self.fitted.padded_size((first.shape[0], first.shape[1]))
        shape = (len(images), first.shape[2], *size)
        if any(image.shape[:2] != size for image in images):
            made = np.zeros(shape, np.float32)
        else:
            if self._input.shape != shape:
                self._input = np.empty(shape, np.float32)
            made = self._input
        for planes, image in zip(made, images):
            self.preprocessor.fill(planes[:, : image.shape[0], : image.shape[1]], image)
        return made
