"""A class per solver type, as pycaffe has them, and `get_solver`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .solver import Solver, read_settings

if TYPE_CHECKING:
    import os

    from caffeformat import pb


def _solver_class(rule_name: str) -> type[Solver]:
    return type(
        f"{rule_name}Solver",
        (Solver,),
        {"type": rule_name, "__doc__": f"A Solver that uses {rule_name} whatever its file names."},
    )


SGDSolver = _solver_class("SGD")
NesterovSolver = _solver_class("Nesterov")
AdaGradSolver = _solver_class("AdaGrad")
RMSPropSolver = _solver_class("RMSProp")
AdaDeltaSolver = _solver_class("AdaDelta")
AdamSolver = _solver_class("Adam")


def get_solver(
    solver_file: str | os.PathLike[str] | None = None, param: pb.SolverParameter | None = None
) -> Solver:
    """Return a solver of the type that the file, or the message `param`, names."""
    settings = read_settings(solver_file, param)
    classes = {cls.type: cls for cls in Solver.__subclasses__()}
    return classes.get(settings.type, Solver)(solver_file, settings)
