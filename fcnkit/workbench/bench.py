"""The state of a running workbench: its settings, jobs, and what it keeps open."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import flask

from fcnkit.jobs import Jobs, Line
from fcnkit.web import Extensions, installed_extensions

from .catalogue import Catalogue
from .datasets import OpenDatasets
from .places import Places
from .scores import Scores
from .segmenting import OpenNetworks

if TYPE_CHECKING:
    from collections.abc import Sequence

EXTENSION = "fcnkit_workbench"


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a workbench is served.

    jobs         folder of the jobs
    data_roots   folders whose files may be named on the pages
    host, port   where to serve; port 0: any free one
    password     what people type to come in; None: nothing
    token        what scripts send; None: nothing
    max_upload   bytes of one upload
    gpus         numbers of the GPUs that may be chosen
    """

    jobs: str
    data_roots: Sequence[str] = ()
    host: str = "127.0.0.1"
    port: int = 5000
    password: str | None = None
    token: str | None = None
    max_upload: int = 4 << 30
    gpus: Sequence[int] = ()


class Bench:
    """What the pages work with.

    `jobs` and the `line` in which they wait, their `scores`, the `catalogue` that lists them,
    `places` on the server, open `datasets` and `networks`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.places = Places(settings.data_roots)
        self.jobs = Jobs(settings.jobs)
        self.line = Line(self.jobs)
        self.scores = Scores(self.jobs)
        self.catalogue = Catalogue(self.jobs, self.scores.mean_iou)
        self.datasets = OpenDatasets()
        self.networks = OpenNetworks()

    @functools.cached_property
    def extensions(self) -> Extensions:
        """The installed extensions of DIGITS, loaded when a page first asks for them."""
        return installed_extensions()

    def close(self) -> None:
        """Close what is open; jobs that run go on."""
        self.line.close()
        self.datasets.close()
        self.jobs.close()


def bench() -> Bench:
    """Return the workbench that this application shows."""
    found: Bench = flask.current_app.extensions[EXTENSION]
    return found
