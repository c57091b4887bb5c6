"""From a network's spec to the text of its files, and whether the files on disk still say that."""

import importlib
import os

from caffeformat import InputError, format_text
from caffeformat.files import atomic_write

from . import networks

_HEADER = "# Written by spec.py; change that and run: python -m fcnkit.prototxt {network}\n"


def render(network):
    """{path: text} for every prototxt of `network`, as its spec says."""
    if network not in networks():
        raise InputError(f"there is no network {network}; there are {', '.join(networks())}")
    spec = importlib.import_module(f"{__package__}.{network}.spec")
    folder = os.path.dirname(os.path.abspath(spec.__file__))
    header = _HEADER.format(network=network)
    return {
        os.path.join(folder, name): header + format_text(message)
        for name, message in spec.files().items()
    }


def stale(network):
    """Paths of the files that are missing or say something else than the spec."""
    return [path for path, text in render(network).items() if _read(path) != text]


def write(network):
    """Write the files that are stale; returns their paths."""
    texts = render(network)
    changed = stale(network)
    for path in changed:
        with atomic_write(path, "w") as file:
            file.write(texts[path])
    return changed


def _read(path):
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return file.read()
