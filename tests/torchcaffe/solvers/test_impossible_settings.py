"""Settings of a solver with which Caffe would compute nothing, or end the process, are refused."""

import re

import pytest

pytest.importorskip("torch")

import torchcaffe as caffe
from caffeformat import InputError, parse_text, pb

NET = """
layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 dim: 3 }
  data_filler { value: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
  inner_product_param { num_output: 1 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "y" top: "loss" }
"""


def solver_of(text):
    param = parse_text("base_lr: 0.1 snapshot_after_train: false " + text, pb.SolverParameter)
    param.net_param.CopyFrom(parse_text(NET, pb.NetParameter))
    return caffe.get_solver(param=param)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('type: "AdaGrad" momentum: 0.9', 'momentum 0.9, but type "AdaGrad" takes none'),
        ('type: "RMSProp" momentum: 0.9', 'momentum 0.9, but type "RMSProp" takes none'),
        ('type: "RMSProp" rms_decay: 1', "rms_decay 1; type"),
        ('type: "RMSProp" rms_decay: -0.1', "rms_decay -0.1; type"),
        ('type: "Adam" momentum: 1', 'momentum 1; type "Adam" needs 0 or more and less than 1'),
        ('type: "Adam" momentum2: 1.5', "momentum2 1.5; type"),
    ],
)
def test_settings_that_a_type_cannot_use_are_refused(text, words):
    with pytest.raises(InputError, match=re.escape(words)):
        solver_of('lr_policy: "fixed" ' + text)


def test_no_step_is_taken_past_the_last_rate():
    solver = solver_of('lr_policy: "poly" power: 0.9 max_iter: 2')
    solver.step(3)  # the rate of the third is 0
    with pytest.raises(InputError, match=r'"poly" gives no rate at iteration 3 .*max_iter 2'):
        solver.step(1)


@pytest.mark.parametrize("name", ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"])
def test_get_solver_returns_the_class_of_the_type(name):
    solver = solver_of(f'lr_policy: "fixed" type: "{name}"')
    assert type(solver) is getattr(caffe, f"{name}Solver")


def test_get_solver_knows_the_older_name_of_a_type():
    assert type(solver_of('lr_policy: "fixed" solver_type: ADAM')) is caffe.AdamSolver
