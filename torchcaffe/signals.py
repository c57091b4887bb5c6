"""What SIGINT and SIGHUP ask of a training: to stop, to take a snapshot, or nothing."""

import signal

from caffeformat import InputError

STOP, SNAPSHOT, NONE = "stop", "snapshot", "none"


class SignalActions:
    """Context manager that turns SIGINT and SIGHUP into actions, asked for with `requested()`.

    A signal only leaves a mark, so that a step is never cut in half; who trains asks for it
    between steps. Signals whose effect is "none" are ignored. The handlers that were there before
    return at the end.
    """

    def __init__(self, sigint_effect=STOP, sighup_effect=SNAPSHOT):
        self._effects = {signal.SIGINT: sigint_effect, signal.SIGHUP: sighup_effect}
        for number, effect in self._effects.items():
            if effect not in (STOP, SNAPSHOT, NONE):
                flag = f"-{number.name.lower()}_effect"
                raise InputError(f'{flag} is "{effect}"; expected snapshot, stop or none.')
        self._waiting, self._before = [], {}

    def __enter__(self):
        for number in self._effects:
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number, frame):
        self._waiting.append(self._effects[number])

    def requested(self):
        """STOP, SNAPSHOT or NONE: what was asked for since this was called last."""
        waiting, self._waiting = self._waiting, []
        return STOP if STOP in waiting else SNAPSHOT if SNAPSHOT in waiting else NONE
