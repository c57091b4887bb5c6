"""Upgrades a solver's prototxt of an old form to the current one, as Caffe's tool does."""

from caffeformat import pb, read_text, upgrade_solver, write_text

from . import expect_arguments
from .upgrading import log_notes, log_written

USAGE = "OLD_SOLVER NEW_SOLVER"
FLAGS = []


def run(flags, arguments):
    """Read, upgrade and write; a solver that is current is written as it is."""
    expect_arguments(arguments, f"torchcaffe upgrade_solver_proto_text {USAGE}", 2)
    source, target = arguments
    solver = read_text(source, pb.SolverParameter)
    log_notes(source, upgrade_solver(solver))
    write_text(target, solver)
    log_written("upgrade_solver_proto_text.cpp:49", "SolverParameter text", target)
