"""Signals during training: SIGINT and SIGHUP stop it, take a snapshot, or do nothing."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from caffeformat import InputError

if TYPE_CHECKING:
    from types import FrameType

STOP, SNAPSHOT, NONE = "stop", "snapshot", "none"


class SignalActions:
    """Context manager that turns SIGINT and SIGHUP into actions, which `requested()` returns.

    A signal is only noted, so that a step is never cut in half; the training loop asks for it
    between steps. Signals whose effect is "none" are ignored. The previous handlers are restored
    at the end.
    """

    def __init__(self, sigint_effect: str = STOP, sighup_effect: str = SNAPSHOT) -> None:
        self._effects = {signal.SIGINT: sigint_effect, signal.SIGHUP: sighup_effect}
        for number, effect in self._effects.items():
            if effect not in (STOP, SNAPSHOT, NONE):
                name = f"{number.name.lower()}_effect"
                raise InputError(f'{name} is "{effect}"; expected snapshot, stop or none.')
        self._waiting: list[str] = []
        self._before: dict[signal.Signals, Any] = {}  # handlers, of any of signal's kinds

    def __enter__(self) -> SignalActions:
        for number in self._effects:
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._waiting.append(self._effects[signal.Signals(number)])

    def requested(self) -> str:
        """Return the action requested since the last call: STOP, SNAPSHOT or NONE."""
        waiting, self._waiting = self._waiting, []
        return STOP if STOP in waiting else SNAPSHOT if SNAPSHOT in waiting else NONE
