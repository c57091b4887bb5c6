"""Upgrades a solver's prototxt in an old format to the current one, as Caffe's tool does."""

from __future__ import annotations

from caffeformat import pb, upgrade_solver

from .flags import Flag, Flags
from .main import expect_arguments
from .upgrading import upgrade_text

USAGE = "OLD_SOLVER NEW_SOLVER"
FLAGS: list[Flag] = []


def run(flags: Flags, arguments: list[str]) -> None:
    """Upgrade the solver; one that is current is written as it is."""
    expect_arguments(arguments, f"torchcaffe upgrade_solver_proto_text {USAGE}", 2)
    source, target = arguments
    place = "upgrade_solver_proto_text.cpp:49"
    upgrade_text(source, target, pb.SolverParameter, upgrade_solver, place)
