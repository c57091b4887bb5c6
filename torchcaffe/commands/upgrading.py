"""What the three commands that upgrade old files share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from caffeformat import read_text, write_text
from torchcaffe import log

from .main import expect_arguments

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from .flags import Flags

_M = TypeVar("_M", bound="Message")


def text_upgrade(
    command: str, usage: str, message_class: type[_M], upgrade: Callable[[_M], Sequence[str]]
) -> Callable[[Flags, list[str]], None]:
    """Make the `run` of a command that upgrades a prototxt by `upgrade`."""

    def run(flags: Flags, arguments: list[str]) -> None:
        """Upgrade the file; one that is current is written as it is."""
        expect_arguments(arguments, f"torchcaffe {command} {usage}", 2)
        source, target = arguments
        message = read_text(source, message_class)
        log_notes(source, upgrade(message))
        write_text(target, message)
        log_written(f"{command}.cpp:49", f"{message_class.__name__} text", target)

    return run


def log_notes(source: str, notes: Sequence[str]) -> None:
    """Log what was upgraded in the file `source`, or that nothing had to be."""
    if not notes:
        log.info("upgrade_proto.cpp:43", f"File already in latest proto format: {source}")
    for note in notes:
        log.info("upgrade_proto.cpp:63", f"{source}: {note}")


def log_written(place: str, what: str, target: str) -> None:
    """Log that the file `target` was written."""
    log.info(place, f"Wrote upgraded {what} proto to {target}")
