"""What a person sees of a working command: a progress bar, lines above it, and Ctrl-C explained."""

from __future__ import annotations

import contextlib
import errno
import signal
import sys
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from caffeformat import InputError, printable
from fcnkit.progress import Progress, ProgressFile

from .printing import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from fcnkit.progress import Step


class Console(Progress):
    """Shows progress in the terminal: a bar on the error stream, and lines above it.

    `unit` is what the bar counts. The bar appears only where somebody watches and disappears at the
    end; lines are printed in any case. `tells_story` makes notes the command's own output: they go
    to the standard output as they are.
    """

    def __init__(self, unit: str = "image", *, tells_story: bool = False) -> None:
        self._unit, self._tells_story = unit, tells_story
        self._bar: tqdm[Any] | None = None
        self._what = ""
        self._file = ProgressFile.asked_for()

    def note(self, text: str) -> None:
        if self._tells_story:
            self.line(text)
        else:
            tqdm.write(printable(f"note: {text}"), file=sys.stderr)

    def warn(self, text: str) -> None:
        """Print a warning on the error stream."""
        tqdm.write(printable(f"warning: {text}"), file=sys.stderr)

    def line(self, text: str) -> None:
        """Print one line of results."""
        tqdm.write(printable(text))
        sys.stdout.flush()

    def show(self, step: Step) -> None:
        if self._file is not None:
            self._file.show(step)
        done, total, what, figures = step
        if self._bar is None or what != self._what:
            self.close()
            self._what = what
            # A run that continues begins at its own iteration, which is no work of now.
            self._bar = tqdm(
                desc=printable(what, lines=False) or None,
                total=total,
                initial=max(0, done - 1),
                unit=self._unit,
                disable=None,
                leave=False,
            )
        self._bar.total = total
        if figures:
            shown = {name: f"{value:.4g}" for name, value in figures.items()}
            self._bar.set_postfix(shown, refresh=False)
        self._bar.update(done - self._bar.n)

    def done(self, text: str = "") -> None:
        self.close()
        if text:
            say(text, flush=True)

    def close(self) -> None:
        """Remove the bar, if there is one."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Interruption:
    """Makes the first Ctrl-C (or SIGTERM) request an end, and the second one end at once.

    `silent`: nothing is said about it.
    """

    def __init__(self, *, silent: bool = False) -> None:
        self.asked, self._silent = False, silent

    def __enter__(self) -> Interruption:
        self._before = {
            number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        if self._silent:
            return
        tqdm.write("stopping after this step; again to stop at once", sys.stderr)


@contextlib.contextmanager
def explaining_full_disk(output: str, force: bool = False) -> Iterator[None]:
    """Name the folder whose disk is full, which the system's own error does not.

    With `force`, what a resumed run would continue may be the earlier one.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        way_on = "the same command with {resume} continues from the newest snapshot"
        if force:
            way_on = (
                "the same command starts over; {resume} in place of {force} continues the new run "
                "if that has taken a step, and otherwise the earlier one"
            )
        raise InputError(
            f"{output}: {error.strerror}: make room; {way_on}",
            options={"resume": True, "force": True},
        ) from error
