"""Groups neighbouring images of one size, so that the net sees several at a time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from caffeformat import InputError

from .network import NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from typing import Union

    from numpy.typing import NDArray

    from .segmenter import Segmenter

    Image = NDArray[Any]  # H x W x channels
    Images = Sequence[Image]

Tag = TypeVar("Tag")
Made = TypeVar("Made")


class Read(NamedTuple):
    """An image that was read, or why it could not be; `tag` is the caller's, `name` for errors."""

    tag: Any
    name: str
    image: Union[Image, Exception]


def run_in_batches(
    segmenter: Segmenter,
    read: Generator[Read, None, None],
    run: Callable[[Images, Sequence[str]], Sequence[Made]],
) -> Iterator[tuple[Read, Made | Exception]]:
    """What `run` makes of each image, or why it could not, in the images' order.

    `run` takes images that the net sees at one size, and what errors call them: up to
    `segmenter.evaluation.batch` neighbours. An image of another size, or one that cannot be used,
    ends a batch; images are neither reordered nor held longer. Where a batch fails, its images
    are run one by one, so that the others have their results. Raises `NetworkError`s of `run`.
    """
    most = segmenter.evaluation.batch
    waiting: list[Read] = []
    key = None
    with contextlib.closing(read) as images:
        for one in images:
            its: Any = None
            problem: Exception | None = None
            if isinstance(one.image, Exception):
                problem = one.image
            elif most > 1:
                try:
                    its = segmenter.batch_key(one.image, one.name)
                except InputError as error:
                    problem = error
            if waiting and (problem is not None or its != key):
                yield from _run_all(waiting, run)
                waiting = []
            if problem is not None:
                yield one, problem
                continue
            key = its
            waiting.append(one)
            if len(waiting) >= most:
                yield from _run_all(waiting, run)
                waiting = []
        if waiting:
            yield from _run_all(waiting, run)


def _run_all(
    group: Sequence[Read], run: Callable[[Images, Sequence[str]], Sequence[Made]]
) -> Iterator[tuple[Read, Made | Exception]]:
    try:
        images = [one.image for one in group if not isinstance(one.image, Exception)]
        found = run(images, [one.name for one in group])
    except NetworkError:
        raise
    except InputError as error:
        if len(group) == 1:
            yield group[0], error
            return
        for one in group:
            yield from _run_all([one], run)
        return
    yield from zip(group, found)
