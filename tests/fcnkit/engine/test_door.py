import os
import sys
import types
from pathlib import Path

import pytest

from caffeformat import InputError, parse_text, pb, read_net
from fcnkit import engine
from fcnkit.engine import door


class FakeNet:
    def __init__(self, path, phase, **options):
        self.path, self.phase, self.options = path, phase, options


class FakeSolver:
    def __init__(self):
        self.iter = 0

    def step(self, count):
        self.iter += count


@pytest.fixture
def fake(monkeypatch):
    """A module in BVLC Caffe's place."""
    module = types.ModuleType("caffe")
    module.TRAIN, module.TEST, module.Net = 0, 1, FakeNet
    module.get_solver = lambda path: FakeSolver()
    monkeypatch.setitem(sys.modules, "caffe", module)
    monkeypatch.setenv(engine.VARIABLE, "bvlc")
    return module


def test_the_variable_chooses_and_a_wrong_one_is_named(monkeypatch):
    monkeypatch.setenv(engine.VARIABLE, "torch")
    assert engine.name() == "torch"
    monkeypatch.setenv(engine.VARIABLE, "cuda")
    with pytest.raises(InputError, match="'cuda'; expected bvlc or torch"):
        engine.name()


def test_bvlc_caffe_comes_first_where_it_is_found(fake, monkeypatch):
    monkeypatch.delenv(engine.VARIABLE)
    assert engine.name() == "bvlc" and engine.load() is fake


def test_torchcaffe_under_the_name_caffe_is_not_taken_for_bvlc(fake, monkeypatch):
    monkeypatch.delenv(engine.VARIABLE)
    monkeypatch.setitem(sys.modules, "torchcaffe", fake)
    assert engine.name() == "torch"


def test_a_missing_engine_is_named(monkeypatch):
    monkeypatch.setenv(engine.VARIABLE, "bvlc")
    monkeypatch.setitem(sys.modules, "caffe", None)
    with pytest.raises(InputError, match=r"'bvlc' cannot be loaded.*FCNKIT_ENGINE=torch"):
        engine.load()


PYTHON_NET = 'layer {{ name: "own" type: "Python" python_param {{ module: "{}" layer: "L" }} }}'

INPUT_NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [1, 2, 4, 4] } } }
layer { name: "y" type: "ReLU" bottom: "x" top: "y" }
"""


def test_nets_open_with_phase_and_stages(fake, tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(PYTHON_NET.format("fcnkit.data_layers"))
    net = engine.open_net(path, "TEST", ["val"])
    assert (net.path, net.phase, net.options) == (str(path), 1, {"stages": ["val"]})


def test_a_message_reaches_bvlc_caffe_as_a_file_that_is_gone_afterwards(fake, monkeypatch):
    seen = []
    monkeypatch.setattr(fake, "Net", lambda path, *_, **__: seen.append(Path(path).read_text()))
    message = parse_text('name: "small"', pb.NetParameter)
    engine.open_net(message, "TRAIN", level=2)
    assert parse_text(seen[0], pb.NetParameter) == message
    engine.open_net(message, level=0)
    monkeypatch.setattr(fake, "get_solver", seen.append)
    engine.open_solver(pb.SolverParameter(base_lr=1))
    assert seen[2].endswith("SolverParameter.prototxt") and not os.path.exists(seen[2])


def test_a_refused_message_is_called_by_its_name_or_as_the_caller_says(fake):
    message = parse_text('name: "small"' + PYTHON_NET.format("os"), pb.NetParameter)
    with pytest.raises(InputError, match=r"^net 'small': layer 'own' runs Python"):
        engine.open_net(message)
    with pytest.raises(InputError, match=r"^net\.prototxt: layer 'own' runs Python"):
        engine.open_net(message, source="net.prototxt")


def test_torchcaffe_opens_messages_and_reads_a_file_once(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv(engine.VARIABLE, "torch")
    path = tmp_path / "net.prototxt"
    path.write_text(INPUT_NET)
    reads = []
    monkeypatch.setattr(door, "read_net", lambda path: reads.append(path) or read_net(path))
    assert engine.open_net(path).blobs["y"].shape == (1, 2, 4, 4)
    assert reads == [path]
    solver = pb.SolverParameter(base_lr=0.1, lr_policy="fixed")
    solver.net_param.CopyFrom(parse_text(INPUT_NET, pb.NetParameter))
    opened = engine.open_solver(solver)
    opened.step(2)
    assert opened.iter == 2 and len(reads) == 1


@pytest.mark.parametrize("module", ["os", "fcnkit.data_layers_2", ""])
def test_python_layers_of_other_modules_are_refused(fake, tmp_path, module):
    path = tmp_path / "net.prototxt"
    path.write_text(PYTHON_NET.format(module))
    with pytest.raises(InputError, match=rf"'own' runs Python code of module '{module}'"):
        engine.open_net(path)
    if module:
        engine.open_net(path, allow_python=[module])


@pytest.mark.parametrize("field", ["net", "train_net", "test_net", "net_param"])
def test_a_solver_s_nets_are_checked_too(fake, tmp_path, field):
    net, solver = tmp_path / "net.prototxt", tmp_path / "solver.prototxt"
    net.write_text(PYTHON_NET.format("os"))
    value = f"{{ {net.read_text()} }}" if field == "net_param" else f'"{net}"'
    solver.write_text(f"{field}: {value} base_lr: 1")
    with pytest.raises(InputError, match=r"allow_python=\['os'\]"):
        engine.open_solver(solver)
    assert engine.open_solver(solver, ["os"]).iter == 0


FORK_NET = """
layer {{ name: "x" type: "Input" top: "x" {field} }}
layer {{ name: "up" type: "Interp" bottom: "x" top: "y" {rule} }}
"""


@pytest.mark.filterwarnings("ignore:.*Caffe's forks")
@pytest.mark.parametrize(
    "field, rule, said",
    [
        ("", "", r'net\.prototxt: BVLC.* layer "up": type Interp \(DeepLab or PSPNet\).*=torch'),
        ("", "interp_param { zoom_factor: 2 } include { phase: TRAIN }", "up.*interp_param"),
        (
            "transform_param { crop_h: 3 }",
            "include { phase: TRAIN }",
            '"x": transform_param.crop_h',
        ),
        ("", "include { phase: TRAIN }", None),
        ("", 'include { stage: "deploy" }', None),
    ],
)
def test_what_forks_added_is_refused_before_bvlc_caffe_sees_it(fake, tmp_path, field, rule, said):
    path = tmp_path / "net.prototxt"
    path.write_text(FORK_NET.format(field=field, rule=rule))
    if said is None:
        engine.open_net(path)
        return
    with pytest.raises(InputError, match=said):
        engine.open_net(path)


@pytest.mark.filterwarnings("ignore:.*Caffe's forks")
@pytest.mark.parametrize(
    "solver, rule, refused",
    [
        ("", "", True),
        ("", "include { phase: TEST }", True),
        ("", 'include { stage: "a" }', False),
        ('train_state { stage: "a" }', 'include { stage: "a" }', True),
        ('test_state { stage: "a" }', 'include { stage: "a" phase: TEST }', True),
        ("min_lr: 1", 'include { stage: "deploy" }', True),
    ],
)
def test_a_solver_is_refused_for_layers_of_forks_in_its_own_nets(
    fake, tmp_path, solver, rule, refused
):
    net, path = tmp_path / "net.prototxt", tmp_path / "solver.prototxt"
    net.write_text(FORK_NET.format(field="", rule=rule))
    path.write_text(f'net: "{net}" base_lr: 1 {solver}')
    if not refused:
        engine.open_solver(path)
        return
    with pytest.raises(InputError, match="min_lr" if "min_lr" in solver else 'layer "up".*Interp'):
        engine.open_solver(path)


def test_torchcaffe_runs_what_forks_added(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv(engine.VARIABLE, "torch")
    path = tmp_path / "net.prototxt"
    shape = "input_param { shape { dim: 1 dim: 1 dim: 2 dim: 2 } }"
    path.write_text(FORK_NET.format(field=shape, rule="interp_param { zoom_factor: 2 }"))
    assert engine.open_net(path).blobs["y"].data.shape == (1, 1, 3, 3)


def test_training_calls_the_hooks_around_each_step(fake):
    calls = []

    class Hooks(engine.Hooks):
        def before_step(self, solver):
            calls.append(("before", solver.iter))

        def after_step(self, solver):
            calls.append(("after", solver.iter))
            return solver.iter == 2

    engine.train(FakeSolver(), Hooks(), {"max_iter": 5})
    assert calls == [("before", 0), ("after", 1), ("before", 1), ("after", 2)]


def test_what_an_engine_lacks_is_named(fake):
    with pytest.raises(InputError, match="'bvlc' cannot do mixed_precision"):
        engine.train(FakeSolver(), engine.Hooks(), {"max_iter": 5, "mixed_precision": True})
