"""Which layers a solver's nets have: its own states and those of the nets, as in Caffe."""

import logging

import pytest

import torchcaffe
from caffeformat import parse_text, pb

NET = """
%s
layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 3 } } }
layer { name: "more" type: "Power" bottom: "x" top: "y" include { %s } }
"""


def solver_of(solver, state, rule):
    message = parse_text(f"base_lr: 0.1 lr_policy: 'fixed' {solver}", pb.SolverParameter)
    message.net_param.CopyFrom(parse_text(NET % (state, rule), pb.NetParameter))
    return torchcaffe.SGDSolver(param=message)


# What BVLC Caffe's get_solver made of these
@pytest.mark.parametrize(
    "solver, state, rule, there",
    [
        ("", "", "phase: TEST", False),
        ("train_state { phase: TEST }", "", "phase: TEST", True),
        ("train_state { level: 1 }", "", "min_level: 1", True),
        ("", "state { level: 1 }", "min_level: 1", True),
        ("", "state { phase: TEST }", "phase: TEST", True),
        ("", 'state { stage: "a" }', 'stage: "a"', True),
        ("train_state { level: 1 }", "state { level: 2 }", "min_level: 2", False),
    ],
)
def test_states_of_solver_and_net_choose_the_layers(solver, state, rule, there):
    net = solver_of(solver, state, rule).net
    assert ("more" in net.layer_dict) is there


def test_a_net_by_itself_takes_level_and_phase_from_its_caller():
    for state, rule, there in (
        ("state { level: 1 }", "min_level: 1", False),
        ("state { phase: TRAIN }", "phase: TRAIN", False),
        ('state { stage: "a" }', 'stage: "a"', True),
    ):
        message = parse_text(NET % (state, rule), pb.NetParameter)
        net = torchcaffe.Net(net_param=message, phase=torchcaffe.TEST)
        assert ("more" in net.layer_dict) is there


def test_a_net_shows_debug_info_unless_its_solver_speaks_for_it(caplog):
    caplog.set_level(logging.INFO, "torchcaffe")
    message = parse_text("debug_info: true" + NET % ("", "phase: TEST"), pb.NetParameter)
    torchcaffe.Net(net_param=message, phase=torchcaffe.TEST).forward()
    assert "    [Forward] Layer more, top blob y data: 0" in caplog.messages
    caplog.clear()
    solver_of("display: 1", "debug_info: true", "phase: TEST").step(1)
    assert not any("[Forward]" in line for line in caplog.messages)
