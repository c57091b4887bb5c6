"""What the three commands that upgrade old files say."""

from .. import log


def log_notes(source, notes):
    """Log what was upgraded in the file `source`, or that nothing was to be."""
    if not notes:
        log.info("upgrade_proto.cpp:43", f"File already in latest proto format: {source}")
    for note in notes:
        log.info("upgrade_proto.cpp:63", f"{source}: {note}")


def log_written(place, what, target):
    """Log that the file `target` is there."""
    log.info(place, f"Wrote upgraded {what} proto to {target}")
