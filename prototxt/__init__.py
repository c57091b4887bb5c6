"""Networks as text, and the specs that write them.

One folder a network, all alike: `spec.py` writes the prototxts beside it (`python -m
fcnkit.prototxt`), `README.md` is the network's card. A spec offers `files(...) -> {file name:
message}`; its arguments (classes, channels, ...) have the published network's values as defaults,
and those are what the files in the folder hold.
"""

import os

from caffeformat import InputError

_HERE = os.path.dirname(os.path.abspath(__file__))


def networks():
    """Names of the networks that have a spec, sorted."""
    return sorted(
        entry.name
        for entry in os.scandir(_HERE)
        if os.path.isfile(os.path.join(entry.path, "spec.py"))
    )


def path(network, file):
    """The path of `file` (such as `deploy.prototxt`) of `network`.

    Raises `InputError` with the networks or files there are.
    """
    folder = os.path.join(_HERE, network)
    if network not in networks():
        raise InputError(f"there is no network {network}; there are {', '.join(networks())}")
    found = os.path.join(folder, file)
    if not os.path.isfile(found):
        files = sorted(name for name in os.listdir(folder) if name.endswith(".prototxt"))
        raise InputError(f"network {network} has no {file}; it has {', '.join(files)}")
    return found
