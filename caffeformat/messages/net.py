"""Reads nets and solvers, and transforms a net as Caffe does before building it.

`filter_net` keeps the layers of one phase, level and set of stages; `insert_splits` adds the Split
layers through which a blob that several layers use gets its summed gradient.
"""

from __future__ import annotations

import os
import re
import warnings
from typing import TYPE_CHECKING, TypeVar

from caffeformat.errors import FormatError, InputError
from caffeformat.files import open_file

from . import forks, pb
from .binary_net import read_binary_net
from .dialects import Reading, unplaced_crops
from .text import UTF_16, nearest, read_text
from .unread import unread_fields
from .upgrade import upgrade_net, upgrade_solver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from google.protobuf.message import Message

    # (number of a layer, index among its tops or bottoms)
    Place = tuple[int, int]


_HEAD = 256  # bytes; a binary net's first layer begins within them
_M = TypeVar("_M", bound="Message")
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")


def read_net(path: str | os.PathLike[str], fork: str | None = None) -> pb.NetParameter:
    """Read a net, text or binary and of any age, into a current NetParameter (see `upgrade_net`).

    Binary nets (caffemodels) come without their weights. `fork`, one of `FORKS`, is the fork that
    wrote the file. Binary files of forks cannot be read without it; for texts it decides which BN
    is meant. Warns (`FieldWarning`) about fields that have no effect: those that Caffe passes over,
    too, and those of forks.
    """
    fork = forks.assumed_fork() if fork is None else forks.known_fork(fork)
    if _is_binary(path):
        net = read_binary_net(path, fork)
    else:
        net = _read_kind(path, pb.NetParameter, pb.SolverParameter)
    _upgrade(net, upgrade_net, path)
    forks.settle(net, fork)
    return net


def read_solver(path: str | os.PathLike[str]) -> pb.SolverParameter:
    """Read a solver's prototxt into a current SolverParameter (see `upgrade_solver`).

    As in Caffe, a missing `snapshot_prefix` becomes the solver's own path without its extension,
    and a folder gets the solver's name appended.
    """
    solver = _read_kind(path, pb.SolverParameter, pb.NetParameter)
    _upgrade(solver, upgrade_solver, path)
    stem = os.path.splitext(os.fspath(path))[0]
    if not solver.snapshot_prefix:
        solver.snapshot_prefix = stem
    elif os.path.isdir(solver.snapshot_prefix):
        solver.snapshot_prefix = os.path.join(solver.snapshot_prefix, os.path.basename(stem))
    return solver


def is_solver(path: str | os.PathLike[str]) -> bool:
    """Whether the file at `path` is a solver rather than a net: the message that it parses as.

    Nets may be of any age and fork, text or binary. Raises `FormatError` for a file that is neither
    (with the mistake that is further down) and for one that could be both.
    """
    if _is_binary(path):
        return False
    errors: dict[str, FormatError] = {}
    kinds: dict[str, type[Message]] = {"net": pb.NetParameter, "solver": pb.SolverParameter}
    for kind, message_class in kinds.items():
        try:
            read_text(path, message_class)
        except FormatError as error:
            errors[kind] = error
    if len(errors) == 1:
        return "net" in errors
    if not errors:
        raise FormatError(
            path, "could be a net or a solver, as both have all its fields; a net needs a layer"
        )
    as_net, as_solver = ((error.line or 0, error.column or 0) for error in errors.values())
    if as_net == as_solver:
        raise FormatError(
            path,
            f"neither a net ({errors['net'].problem}) nor a solver ({errors['solver'].problem})",
            errors["net"].line,
            errors["net"].column,
        )
    raise errors["net" if as_net > as_solver else "solver"]


def _read_kind(path: str | os.PathLike[str], wanted: type[_M], other: type[Message]) -> _M:
    """Read a text as `wanted`; a text that is one of the class `other` is refused as such."""
    try:
        return read_text(path, wanted)
    except FormatError as error:
        try:
            found = read_text(path, other)
        except FormatError:
            raise error from None
    if isinstance(found, pb.SolverParameter):
        nets = [found.net, found.train_net, *found.test_net]
        named = next(filter(None, nets), "")
        advice = f'; its net is "{named}"' if named else ""
        raise FormatError(path, f"a solver, where a net was expected{advice}")
    raise FormatError(path, "a net, where a solver was expected; a solver names its net: net: ...")


def _is_binary(path: str | os.PathLike[str]) -> bool:
    """Whether the file begins with bytes that no text has: protobuf's lengths and field keys."""
    try:
        with open_file(path) as file:
            head = file.read(_HEAD)
    except (InputError, OSError):
        return False  # the reader reports what is wrong
    return not head.startswith(UTF_16) and _NO_TEXT.search(head) is not None


def _upgrade(message: _M, upgrade: Callable[[_M], list[str]], path: str | os.PathLike[str]) -> None:
    try:
        notes = upgrade(message)
    except InputError as error:
        raise error.prefixed(os.fspath(path)) from None
    readings = [note for note in notes if isinstance(note, Reading)]
    if readings:
        # One place for all callers: a file is reported once.
        warnings.warn(f"{os.fspath(path)}: {'; '.join(readings)}", forks.ForkWarning, stacklevel=1)
    ignored = forks.ignored_fields(message)
    if ignored:
        warnings.warn(
            f"{os.fspath(path)}: fields of Caffe's forks that have no effect here: "
            + "; ".join(ignored),
            forks.ForkWarning,
            stacklevel=1,  # one place for all callers: a file is reported once
        )
    refused = forks.refused_fields(message)
    if refused:
        warnings.warn(
            f"{os.fspath(path)}: fields of Caffe's forks that change what is computed and do not "
            f"run here, so that nothing is computed with them: {'; '.join(refused)}",
            forks.ForkWarning,
            stacklevel=1,
        )
    unread = unread_fields(message)
    if unread:
        warnings.warn(
            f"{os.fspath(path)}: fields that have no effect, as in Caffe: {'; '.join(unread)}",
            forks.FieldWarning,
            stacklevel=1,
        )
    unplaced = unplaced_crops(message) if isinstance(message, pb.NetParameter) else []
    if unplaced:
        warnings.warn(
            f"{os.fspath(path)}: Crop layers without an offset, which some Caffes compute (HED's, "
            f"the first FCN release's): {'; '.join(unplaced)}",
            forks.FieldWarning,
            stacklevel=1,
        )


def filter_net(
    net: pb.NetParameter, phase: int, level: int = 0, stages: Iterable[str] = ()
) -> pb.NetParameter:
    """A copy of `net` with only the layers of this phase, level and these stages.

    `phase` is `pb.TRAIN` or `pb.TEST`. Stages in the net's own `state` count as well. The copy's
    `state` records the choice. A layer with both `include` and `exclude` is an `InputError`.
    """
    chosen = type(net)()
    chosen.CopyFrom(net)
    state = chosen.state
    state.phase, state.level = phase, level
    state.stage.extend(stage for stage in stages if stage not in state.stage)
    kept = [layer for layer in net.layer if _stays(layer, state)]
    del chosen.layer[:]
    chosen.layer.extend(kept)
    return chosen


def _stays(layer: pb.LayerParameter, state: pb.NetState) -> bool:
    if layer.include and layer.exclude:
        raise InputError(f'layer "{layer.name}": has both include and exclude rules; use one kind')
    if layer.include:
        return any(_meets(rule, state) for rule in layer.include)
    return not any(_meets(rule, state) for rule in layer.exclude)


def _meets(rule: pb.NetStateRule, state: pb.NetState) -> bool:
    """Whether `state` fits a rule: its phase, level bounds, every `stage` and no `not_stage`."""
    return (
        (not rule.HasField("phase") or rule.phase == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and all(stage in state.stage for stage in rule.stage)
        and not any(stage in state.stage for stage in rule.not_stage)
    )


def insert_splits(net: pb.NetParameter) -> pb.NetParameter:
    """A copy of a filtered NetParameter in which no top has more than one user.

    A blob `b` that is top `i` of layer `l` and used n > 1 times passes through a Split layer
    `b_l_i_split` with tops `b_l_i_split_0` to `..._<n-1>`. A loss weight counts as a use and moves
    to the split's first top. Raises `InputError` for what Caffe rejects: bottoms that no layer
    makes, tops made twice, and in-place layers on blobs that others use unchanged.
    """
    uses, weights, sources = _count_uses(net)
    split = type(net)()
    split.CopyFrom(net)
    del split.layer[:]
    taken: dict[Place, int] = {}
    for number, layer in enumerate(net.layer):
        changed = split.layer.add()
        changed.CopyFrom(layer)
        for index, blob in enumerate(layer.bottom):
            source = sources[number, index]
            if uses[source] > 1:
                maker = net.layer[source[0]].name
                if blob in layer.top[index : index + 1]:
                    raise InputError(
                        f'layer "{layer.name}": changes "{blob}" of layer "{maker}" in place, '
                        "but other layers use it unchanged; give its top another name"
                    )
                changed.bottom[index] = f"{_split_name(blob, maker, source[1])}_{taken[source]}"
                taken[source] += 1
        for index, blob in enumerate(layer.top):
            top = (number, index)
            if uses.get(top, 0) < 2:
                continue
            name = _split_name(blob, layer.name, index)
            tops = [f"{name}_{k}" for k in range(uses[top])]
            added = split.layer.add(name=name, type="Split", bottom=[blob], top=tops)
            taken[top] = 0
            if weights.get(top):
                added.loss_weight.extend([weights[top]] + [0] * (len(tops) - 1))
                changed.ClearField("loss_weight")
                taken[top] = 1
    return split


def _split_name(blob: str, layer_name: str, index: int) -> str:
    return f"{blob}_{layer_name}_{index}_split"


def _count_uses(
    net: pb.NetParameter,
) -> tuple[dict[Place, int], dict[Place, float], dict[Place, Place]]:
    """Uses and loss weight of each (layer, top); the (layer, top) behind each (layer, bottom)."""
    uses: dict[Place, int] = {}
    weights: dict[Place, float] = {}
    sources: dict[Place, Place] = {}
    last_top: dict[str, Place] = {}
    for number, layer in enumerate(net.layer):
        for index, blob in enumerate(layer.bottom):
            if blob not in last_top:
                raise InputError(
                    f'layer "{layer.name}": its bottom "{blob}" is not the top of any layer '
                    f"before it.{nearest(blob, last_top)}"
                )
            source = sources[number, index] = last_top[blob]
            uses[source] = uses.get(source, 0) + 1
        for index, blob in enumerate(layer.top):
            if blob in last_top and blob not in layer.bottom[index : index + 1]:
                raise InputError(
                    f'layer "{layer.name}": its top "{blob}" is already the top of layer '
                    f'"{net.layer[last_top[blob][0]].name}"; give it another name'
                )
            last_top[blob] = number, index
        for index, weight in enumerate(layer.loss_weight[: len(layer.top)]):
            if weight:
                weights[number, index] = weight
                uses[number, index] = uses.get((number, index), 0) + 1
    return uses, weights, sources
