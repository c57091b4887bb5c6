"""How the pages word times, sizes and states."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fcnkit.jobs import seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# DIGITS' words for states
DIGITS_STATES = {
    "waiting": "Waiting",
    "running": "Running",
    "paused": "Initialized",
    "done": "Done",
    "aborted": "Aborted",
    "error": "Error",
}

# What pages call a state that does not explain itself
_NAMES = {"paused": "waits for your answer"}


def state_name(state: str) -> str:
    """Return what pages call a state."""
    return _NAMES.get(state, state)


def age(moment: str) -> str:
    """Return how long ago a record's time is: `5 minutes ago`."""
    seconds = time.time() - seconds_of(moment) if moment else 0
    if seconds < 45:
        return "just now"
    return f"{duration(seconds)} ago"


def duration(seconds: float | None) -> str:
    """Return a length of time in its largest unit, or two: `2 hours 10 minutes`."""
    if seconds is None:
        return "unknown"
    seconds = max(0, round(seconds))
    if seconds < 60:
        return _many(seconds, "second")
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return _many(minutes, "minute")
    if hours < 24:
        rest = minutes - 60 * hours
        return _many(hours, "hour") + (f" {_many(rest, 'minute')}" if rest and hours < 6 else "")
    return _many(days, "day")


def _many(number: int, unit: str) -> str:
    return f"{number:,} {unit}" + ("" if number == 1 else "s")


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share as a percentage, a dash for None and NaN."""
    if share is None or share != share:
        return "–"
    return f"{100 * share:.{digits}f}%"


def size(count: float) -> str:
    """Return a number of bytes: `61 MB`."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.3g} {unit}" if unit != "bytes" else f"{count:.0f} bytes"
        count /= 1000
    raise AssertionError


def figure(value: float | None) -> str:
    """Return a number in four digits, a dash for what is none."""
    if not isinstance(value, (int, float)) or value != value:
        return "–"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


def colour(rgb: Any) -> str:
    """Return a colour as `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*(int(value) for value in rgb[:3]))


FILTERS: dict[str, Callable[..., str]] = {
    "age": age,
    "duration": duration,
    "percent": percent,
    "size": size,
    "figure": figure,
    "colour": colour,
    "state_name": state_name,
}
