"""Solvers of the networks, and the settings that training recipes have in common."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from caffeformat import pb

if TYPE_CHECKING:
    from typing import Callable

    # A network's folder -> its solver.
    Recipe = Callable[[str], pb.SolverParameter]


def solver(network: str, base_lr: float, max_iter: int, **settings: Any) -> pb.SolverParameter:
    """Make the solver of a network's train_val.prototxt; `settings` are further fields of it.

    Unless `settings` say otherwise, momentum is 0.9, the learning rate is fixed, and snapshots are
    named after the network.
    """
    usual: dict[str, Any] = {
        "net": "train_val.prototxt",
        "lr_policy": "fixed",
        "momentum": 0.9,
        "display": 20,
        "snapshot_prefix": network,
    }
    return pb.SolverParameter(base_lr=base_lr, max_iter=max_iter, **{**usual, **settings})


def poly(power: float = 0.9) -> dict[str, Any]:
    """Fields of a solver whose rate falls to zero: base_lr * (1 - iter / max_iter) ** power."""
    return {"lr_policy": "poly", "power": power}


def steps(*size: int) -> dict[str, Any]:
    """Fields of a solver whose rate falls to a tenth: each `size` steps, or at several steps."""
    if len(size) == 1:
        return {"lr_policy": "step", "gamma": 0.1, "stepsize": size[0]}
    return {"lr_policy": "multistep", "gamma": 0.1, "stepvalue": size}


def averaged(losses: int) -> dict[str, Any]:
    """Fields of a solver that shows the mean of that many losses, and tests after steps only."""
    return {"average_loss": losses, "test_initialization": False}


def classifier_recipe(
    base_lr: float, max_iter: int, tests: int, every: int, **settings: Any
) -> Recipe:
    """Make the recipe of a classifier; `settings` are further fields of its solver.

    tests: batches of a test; every: steps between tests.
    """
    usual = {"test_iter": [tests], "test_interval": every, "snapshot": 10000}
    return partial(solver, base_lr=base_lr, max_iter=max_iter, **{**usual, **settings})


def segmentation_recipe(
    base_lr: float, max_iter: int, tests: int, every: int, **settings: Any
) -> Recipe:
    """Make the recipe of a segmentation network; `settings` are further fields of its solver.

    tests: batches of a test; every: steps between tests, none of which comes before the first step.
    Unless `settings` say otherwise, each test comes with a snapshot.
    """
    usual: dict[str, Any] = {
        "weight_decay": 0.0005,
        **averaged(20),
        "test_iter": [tests],
        "test_interval": every,
        "snapshot": every,
    }
    return partial(solver, base_lr=base_lr, max_iter=max_iter, **{**usual, **settings})


def minibatch_recipe(base_lr: float) -> Recipe:
    """Make the recipe of the FCN paper's minibatches for PASCAL VOC.

    They have 20 images, which differ in size and so come one by one; tests see the 736 of VOC
    2011's seg valid.
    """
    return segmentation_recipe(base_lr, 100000, tests=736, every=4000, iter_size=20)


def heavy_recipe(base_lr: float, max_iter: int, tests: int, every: int = 4000) -> Recipe:
    """Make Berkeley's recipe: single images, high momentum, losses summed over an image's pixels.

    tests: images of a test; every: steps between tests and between snapshots.
    """
    return segmentation_recipe(base_lr, max_iter, tests, every, momentum=0.99)
