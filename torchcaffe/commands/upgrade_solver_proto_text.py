"""Upgrades a solver's prototxt in an old format to the current one, as Caffe's tool does."""

from __future__ import annotations

from caffeformat import pb, upgrade_solver

from .flags import Flag
from .upgrading import text_upgrade

USAGE = "OLD_SOLVER NEW_SOLVER"
FLAGS: list[Flag] = []
run = text_upgrade("upgrade_solver_proto_text", USAGE, pb.SolverParameter, upgrade_solver)
