"""The nets of a solver: the one it trains and those it tests, which share its parameters."""

from __future__ import annotations

import os

from caffeformat import InputError, pb, read_net
from torchcaffe.nets import Net


def open_train_net(param: pb.SolverParameter, folder: str) -> Net:
    """Build the net that `param` trains and load its `weights`.

    Files are looked for in the working directory, as in Caffe, then in `folder`, the solver's.
    """
    sources = [name for name in ("net", "net_param", "train_net", "train_net_param")
               if param.HasField(name)]  # fmt: skip
    if len(sources) != 1:
        raise InputError(
            "the solver needs exactly one of net, net_param, train_net and train_net_param; "
            f"found {', '.join(sources) or 'none'}."
        )
    value: str | pb.NetParameter = getattr(param, sources[0])
    message = _read(value, folder) if isinstance(value, str) else value
    net = _open(message, pb.TRAIN, param.train_state)
    for paths in param.weights:
        for path in paths.split(","):
            net.copy_from(path.strip())
    return net


def open_test_nets(param: pb.SolverParameter, folder: str, train_net: Net) -> list[Net]:
    """Build the test nets of `param`, one per `test_iter`, which share `train_net`'s weights."""
    messages = [*param.test_net_param, *(_read(path, folder) for path in param.test_net)]
    remaining = len(param.test_iter) - len(messages)
    if remaining > 0 and (param.HasField("net") or param.HasField("net_param")):
        shared = _read(param.net, folder) if param.HasField("net") else param.net_param
        messages += [shared] * remaining
    if len(messages) != len(param.test_iter):
        raise InputError(
            f"the solver has {len(messages)} test nets, but {len(param.test_iter)} test_iter; give "
            "one test_iter per test net."
        )
    if param.test_state and len(param.test_state) != len(messages):
        raise InputError(
            f"the solver has {len(messages)} test nets, but {len(param.test_state)} test_state; "
            "give none, or one per test net."
        )
    if messages and param.test_interval < 1:
        raise InputError(
            f"the solver has test nets, but its test_interval is {param.test_interval}; set it to "
            "1 or more."
        )
    states = list(param.test_state) or [pb.NetState()] * len(messages)
    nets = []
    for message, state in zip(messages, states):
        nets.append(_open(message, pb.TEST, state))
        nets[-1].share_with(train_net)
    return nets


def _read(path: str, folder: str) -> pb.NetParameter:
    beside = os.path.join(folder, path)
    return read_net(beside if not os.path.exists(path) and os.path.exists(beside) else path)


def _open(message: pb.NetParameter, phase: int, given: pb.NetState) -> Net:
    """Build a net in `phase`, unless its own state or the solver's, `given`, sets another.

    The solver's debug_info replaces the net's.
    """
    own = pb.NetParameter()
    own.CopyFrom(message)
    own.ClearField("debug_info")
    state = pb.NetState(phase=phase)
    state.MergeFrom(message.state)
    state.MergeFrom(given)
    return Net(net_param=own, phase=state.phase, level=state.level, stages=list(given.stage))
