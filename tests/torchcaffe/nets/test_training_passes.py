"""A solver's passes keep what backpropagation needs; whatever else is asked for comes back."""

import gc
import sys
import weakref

import numpy as np
import pytest
from residual_net import IMAGES, LABELS, residual_net

import torchcaffe
from caffeformat import InputError, parse_text, pb
from torchcaffe.core import Blob, device
from torchcaffe.nets import Step
from torchcaffe.solvers import Solver

pytestmark = pytest.mark.both_modes


def train(steps, recompute=False, hold=False, fields="", look=lambda solver: None):
    torchcaffe.set_random_seed(1)
    text = f'lr_policy: "fixed" base_lr: 0.05 momentum: 0.9 {fields}'
    param = parse_text(text, pb.SolverParameter)
    param.net_param.CopyFrom(residual_net())
    solver = Solver(param=param)
    solver.net.training.recompute = recompute
    blobs = solver.net.blobs.values() if hold else ()
    held = [array for blob in blobs for array in (blob.data, blob.diff)]
    for number in range(steps):
        solver.net.blobs["data"].data[...] = IMAGES[number % 4]
        solver.net.blobs["label"].data[...] = LABELS[number % 4]
        solver.step(1)
        look(solver)
    assert len(held) == 2 * len(blobs)
    return solver


def weights(solver):
    return {
        (layer, index): blob.data.copy()
        for layer, blobs in solver.net.params.items()
        for index, blob in enumerate(blobs)
    }


def fresh(solver, names, half):
    """Arrays of a solver's blobs, asked for now."""
    return {name: getattr(solver.net.blobs[name], half).copy() for name in names}


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize("fields", ["", "iter_size: 2", 'type: "Adam" momentum2: 0.99'])
def test_recomputation_changes_nothing(fields):
    plain, again = train(2, fields=fields), train(2, recompute=True, fields=fields)
    # On a GPU gradients are summed in an order that differs from run to run.
    bound = {"rtol": 0, "atol": 2e-6 if device.current_device().type == "cuda" else 0}
    for key, values in weights(plain).items():
        np.testing.assert_allclose(weights(again)[key], values, **bound, err_msg=str(key))
    for name in ("loss", "aux_loss"):
        found, wanted = (net.blobs[name].data for net in (again.net, plain.net))
        np.testing.assert_allclose(found, wanted, **bound)


@pytest.mark.parametrize("recompute", [False, True])
def test_what_was_freed_comes_back_as_it_was(recompute):
    def make(hold):
        torchcaffe.set_random_seed(1)
        return train(2, recompute=recompute and not hold, hold=hold)

    kept, lean = make(True), make(False)
    names = list(kept.net.blobs)
    for half in ("diff", "data"):
        expected = fresh(kept, names, half)
        for name, values in fresh(lean, names, half).items():
            scale = max(1e-6, np.abs(expected[name]).max())
            np.testing.assert_allclose(
                values / scale, expected[name] / scale, atol=3e-5, err_msg=f"{name} {half}"
            )
    for key, values in weights(kept).items():
        np.testing.assert_allclose(weights(lean)[key], values, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_looking_changes_no_weights():
    looked = train(4, look=lambda solver: fresh(solver, ["0a", "1_sum", "pool"], "diff"))
    plain = weights(train(4))
    for key, values in weights(looked).items():
        np.testing.assert_allclose(values, plain[key], rtol=1e-5, atol=1e-6, err_msg=str(key))


def _new_solver():
    """A solver none of whose blobs was looked at, but for the inputs."""
    torchcaffe.set_random_seed(1)
    param = parse_text('lr_policy: "fixed" base_lr: 0.05', pb.SolverParameter)
    param.net_param.CopyFrom(residual_net())
    solver = Solver(param=param)
    solver.net.blobs["data"].data[...] = IMAGES[0]
    solver.net.blobs["label"].data[...] = LABELS[0]
    return solver


def test_a_step_leaves_no_diffs_but_those_of_parameters_and_losses():
    solver = _new_solver()
    solver.step(1)
    net = solver.net
    left = {name for name, blob in net.blobs.items() if blob.has_gradient}
    assert left == {"loss", "aux_loss"}
    assert net.blobs["0a"].diff.any()  # asked for, and from now on kept
    solver.step(1)
    assert net.blobs["0a"].has_gradient
    assert not net.blobs["0b"].has_gradient


def test_passes_by_hand_keep_everything():
    solver = _new_solver()
    solver.step(1)
    solver.net.forward()
    assert solver.net.blobs["0b"].diff.any()  # still that of the step
    solver.net.backward()
    assert solver.net.blobs["0b"].has_gradient
    solver.net.forward()
    assert solver.net.blobs["0b"].has_gradient


def test_a_diff_that_can_no_longer_be_had_is_no_zero():
    solver = _new_solver()
    solver.step(1)
    solver.net.clear_param_diffs()
    for _ in range(2):
        with pytest.raises(InputError, match="freed by the solver"):
            solver.net.blobs["0b"].diff  # noqa: B018
    solver.step(1)
    assert solver.net.blobs["0b"].diff.any()


@pytest.mark.parametrize("recompute", [False, True])
def test_looking_may_be_interrupted(recompute, monkeypatch):
    """Weights stay those of the step, and whoever looks again sees what was asked for."""
    plain, solver = train(2, recompute=recompute), train(2, recompute=recompute)
    before = weights(solver)
    diffs = {key: solver.net.params[key[0]][key[1]].diff.copy() for key in before}
    backward, turns = Step.backward, []

    def interrupted(step, lean=False):
        turns.append(step)
        if len(turns) == 9:
            raise KeyboardInterrupt
        backward(step, lean)

    with monkeypatch.context() as patch:
        patch.setattr(Step, "backward", interrupted)
        with pytest.raises(KeyboardInterrupt):
            solver.net.blobs["0a"].diff  # noqa: B018
    for key, values in weights(solver).items():
        np.testing.assert_array_equal(values, before[key], err_msg=str(key))
        np.testing.assert_array_equal(solver.net.params[key[0]][key[1]].diff, diffs[key])
    names = ["0b", "0a", "2_sum"]
    expected = fresh(plain, names, "diff")
    for name, values in fresh(solver, names, "diff").items():
        scale = np.abs(expected[name]).max()
        assert scale
        np.testing.assert_allclose(values / scale, expected[name] / scale, atol=3e-5)


def test_scores_that_no_gradient_needs_are_gone_before_the_backward_pass(monkeypatch):
    """The blob lets go of them, and so does the graph of the layer that read them."""
    solver, freed, free = _new_solver(), {}, Blob.free_data
    names = {id(blob): name for name, blob in solver.net.blobs.items()}

    def noted(blob, recover):
        freed[names[id(blob)]] = weakref.ref(blob.tensor().untyped_storage())
        free(blob, recover)

    monkeypatch.setattr(Blob, "free_data", noted)
    solver.net.training.forward()
    gc.collect()
    assert {"large", "cut"} <= set(freed)
    assert [name for name in ("large", "cut") if freed[name]() is not None] == []


FROZEN = {
    "InnerProduct": "inner_product_param { num_output: 3 weight_filler { type: 'xavier' } }",
    "Deconvolution": "convolution_param { num_output: 3 kernel_size: 2 "
    "weight_filler { type: 'xavier' } }",
    "Convolution": "convolution_param { num_output: 3 kernel_size: 2 "
    "weight_filler { type: 'xavier' } }",
    "Scale": "",
    "PReLU": "",
}


@pytest.mark.parametrize("kind", FROZEN)
def test_diffs_below_a_frozen_layer_come_back(kind):
    diffs = []
    for looks_early in (False, True):
        torchcaffe.set_random_seed(1)
        param = parse_text('lr_policy: "fixed" base_lr: 0.1 weight_decay: 0.1', pb.SolverParameter)
        param.net_param.CopyFrom(
            parse_text(
                'layer { name: "x" type: "Input" top: "x" '
                "input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } } "
                'layer { name: "a" type: "Convolution" bottom: "x" top: "a" convolution_param { '
                "num_output: 3 kernel_size: 1 weight_filler { type: 'xavier' } } } "
                f'layer {{ name: "b" type: "{kind}" bottom: "a" top: "b" param {{ lr_mult: 0 }} '
                f"{FROZEN[kind]} }} "
                'layer { name: "loss" type: "Reduction" bottom: "b" top: "loss" loss_weight: 1 '
                "reduction_param { operation: SUMSQ } }",
                pb.NetParameter,
            )
        )
        solver = Solver(param=param)
        solver.net.blobs["x"].data[...] = np.resize(IMAGES[0], (2, 3, 4, 4))
        held = solver.net.blobs["a"].diff if looks_early else None
        solver.step(1)
        assert not solver.net.params["b"][0].diff.any()
        diffs.append(solver.net.blobs["a"].diff.copy())
        assert held is None or held.any()
    np.testing.assert_allclose(*diffs, rtol=1e-5, atol=1e-6)


SHARED = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 dim: 5 dim: 5 } } }
layer { name: "a" type: "BatchNorm" bottom: "x" top: "a" batch_norm_param {
  moving_average_fraction: 0.5 } PARAMS }
layer { name: "p" type: "Power" bottom: "a" top: "p" power_param { scale: 3 shift: 2 } }
layer { name: "b" type: "BatchNorm" bottom: "p" top: "b" batch_norm_param {
  moving_average_fraction: 0.5 FIELDS } PARAMS }
layer { name: "c" type: "Convolution" bottom: "b" top: "c" convolution_param { num_output: 1
  kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "Reduction" bottom: "c" top: "loss" loss_weight: 1 }
"""


@pytest.mark.parametrize("names", ["mvw", " v "])
@pytest.mark.parametrize("fields", ["", "use_global_stats: true"])
def test_statistics_that_layers_share_are_those_of_one_layer_after_the_other(fields, names):
    shared = [f'name: "{name}"' if name.strip() else "" for name in names]
    params = " ".join(f"param {{ lr_mult: 0 {name} }}" for name in shared)
    found = []
    for pieces in (None, [(None, None)], [(None, "a"), ("p", None)]):
        torchcaffe.set_random_seed(1)
        param = parse_text('lr_policy: "fixed" base_lr: 0', pb.SolverParameter)
        text = SHARED.replace("PARAMS", params).replace("FIELDS", fields)
        param.net_param.CopyFrom(parse_text(text, pb.NetParameter))
        solver = Solver(param=param)
        for images in IMAGES[:3]:
            solver.net.blobs["x"].data[...] = np.resize(images, (4, 3, 5, 5))
            if pieces is None:
                solver.step(1)
            for start, end in pieces or ():
                solver.net.forward(start=start, end=end)
        blobs = [*solver.net.params["a"], *solver.net.params["b"], solver.net.blobs["b"]]
        found.append([blob.data.copy() for blob in blobs])
    for step, whole, apart in zip(*found):
        np.testing.assert_allclose(step, apart, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(whole, apart, rtol=1e-5, atol=1e-6)


SIZES = """
import caffe

class Sizes(caffe.Layer):
    shapes = [(6, 8), (8, 6), (4, 12), (6, 8)]

    def setup(self, bottom, top):
        self.turn = 0

    def reshape(self, bottom, top):
        shape = self.shapes[self.turn % 4]
        top[0].reshape(1, 3, *shape)
        top[1].reshape(1, 1, *shape)

    def forward(self, bottom, top):
        self.turn += 1
        top[0].data[...] = 1
        top[1].data[...] = 0

    def backward(self, top, propagate_down, bottom):
        pass
"""


def test_images_of_one_area_and_other_shapes_follow_each_other(tmp_path, monkeypatch):
    """Upright and lying photographs: blobs take other shapes with as many numbers."""
    (tmp_path / "sizes_of_images.py").write_text(SIZES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "caffe", torchcaffe)
    torchcaffe.allow_python_modules("sizes_of_images")
    param = parse_text('lr_policy: "fixed" base_lr: 0.1', pb.SolverParameter)
    param.net_param.CopyFrom(
        parse_text(
            'layer { name: "x" type: "Python" top: "x" top: "y" '
            'python_param { module: "sizes_of_images" layer: "Sizes" } } '
            'layer { name: "a" type: "Convolution" bottom: "x" top: "a" convolution_param { '
            'num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } } '
            'layer { name: "r" type: "ReLU" bottom: "a" top: "r" } '
            # Two layers read "a": the Split that hands it to both shapes its tops in the pass.
            'layer { name: "sum" type: "Eltwise" bottom: "r" bottom: "a" top: "sum" } '
            'layer { name: "b" type: "Convolution" bottom: "sum" top: "b" convolution_param { '
            'num_output: 2 kernel_size: 1 weight_filler { type: "xavier" } } } '
            'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "b" bottom: "y" top: "loss" }',
            pb.NetParameter,
        )
    )
    solver = Solver(param=param)
    solver.step(6)  # nobody looks at anything between the steps: that would keep it
    assert solver.net.blobs["a"].diff.shape == (1, 4, 8, 6)
