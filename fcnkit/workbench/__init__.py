"""The workbench (`fcnkit serve`): datasets, models, training and tests on pages, and DIGITS' API.

The pages start jobs (`fcnkit.jobs`), whose commands do the work, and read what these leave. Flask,
Flask-WTF and waitress come with `pip install fcnkit[web]`; without them this room cannot be
imported.
"""

from __future__ import annotations

from .bench import Bench, Settings
from .server import Server, open_server

__all__ = [
    "Bench",
    "Server",
    "Settings",
    "open_server",
]
