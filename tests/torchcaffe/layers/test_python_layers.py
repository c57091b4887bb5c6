"""Layers written in Python: pycaffe's four methods, parameters, and which modules may run."""

import sys
import textwrap

import numpy as np
import pytest

import torchcaffe
from caffeformat import InputError, parse_text, pb
from torchcaffe.layers import python

pytestmark = pytest.mark.both_modes

MODULE = """
import caffe
import numpy as np


class Times(caffe.Layer):
    def setup(self, bottom, top):
        self.factor = float(self.param_str)
        assert len(bottom) == len(top) == 1 and self.phase == caffe.TRAIN

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.factor * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            bottom[0].diff[...] = self.factor * top[0].diff


class Learned(caffe.Layer):
    def setup(self, bottom, top):
        self.blobs.add_blob(2)
        self.blobs[0].data[...] = [3, 4]

    def reshape(self, bottom, top):
        top[0].reshape(*self.blobs[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.blobs[0].data

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[...] += top[0].diff


class OneWay(caffe.Layer):
    def setup(self, bottom, top):
        if self.param_str == "learns":
            self.blobs.add_blob(1)

    def reshape(self, bottom, top):
        top[0].reshape(2, 3)

    def forward(self, bottom, top):
        top[0].data[...] = 1


class Idle(caffe.Layer):
    def reshape(self, bottom, top):
        top[0].reshape(1)


class NoLayer:
    pass
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    name = f"layers_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(python, "_allowed", set())
    monkeypatch.setitem(sys.modules, "caffe", torchcaffe)
    return name


def _net(module, layer, bottom='bottom: "x"', given="2.5"):
    text = f"""force_backward: true
    layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: 3 }} }} }}
    layer {{ name: "mine" type: "Python" {bottom} top: "y"
      python_param {{ module: "{module}" layer: "{layer}" param_str: "{given}" }} }}"""
    return torchcaffe.Net(net_param=parse_text(text, pb.NetParameter), phase=torchcaffe.TRAIN)


def test_layer_computes_and_gives_gradients(module):
    torchcaffe.allow_python_modules(module)
    net = _net(module, "Times")
    net.blobs["x"].data[...] = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(net.forward()["y"], 2.5 * np.arange(6).reshape(2, 3))
    net.blobs["y"].diff[...] = 1
    net.backward()
    assert (net.blobs["x"].diff == 2.5).all()
    assert net.layers[1].factor == 2.5  # pycaffe shows the object itself
    lean = net.forward(keep_blobs=False)["y"]
    np.testing.assert_array_equal(lean, 2.5 * np.arange(6).reshape(2, 3))


def test_layer_reshapes_with_its_bottom(module):
    torchcaffe.allow_python_modules(module)
    net = _net(module, "Times")
    net.blobs["x"].reshape(4, 5)
    net.reshape()
    assert net.blobs["y"].shape == (4, 5)
    assert net.forward()["y"].shape == (4, 5)


def test_layer_has_parameters_that_are_learned(module):
    torchcaffe.allow_python_modules(module)
    net = _net(module, "Learned", bottom="")
    assert list(net.params) == ["mine"] and len(net.learnable_params) == 1
    assert list(net.forward()["y"]) == [3, 4]
    net.blobs["y"].diff[...] = [1, 2]
    net.backward()
    assert list(net.params["mine"][0].diff) == [1, 2]


def test_module_must_be_allowed_by_name_or_package(module):
    with pytest.raises(InputError, match=rf'layer "mine".*allow_python_modules\("{module}"\)'):
        _net(module, "Times")
    torchcaffe.allow_python_modules(module[:-1])  # the beginning of a name is not a package
    with pytest.raises(InputError, match="not allowed"):
        _net(module, "Times")


@pytest.mark.parametrize(
    ("layer", "problem"), [("Missing", "no class"), ("NoLayer", "no class"), ("Layer", "no class")]
)
def test_class_that_is_no_layer_is_refused(module, layer, problem):
    torchcaffe.allow_python_modules(module)
    with pytest.raises(InputError, match=problem):
        _net(module, layer)


def test_a_gradient_that_the_class_does_not_compute_is_told(module):
    torchcaffe.allow_python_modules(module)
    for bottom, given in (('bottom: "x"', ""), ("", "learns")):
        net = _net(module, "OneWay", bottom, given)
        net.forward()
        with pytest.raises(InputError, match=r'"mine".* "OneWay" has no method backward'):
            net.backward()
    source = _net(module, "OneWay", "", "")
    source.forward()
    source.backward()  # nobody wants a gradient of it


def test_values_that_the_class_does_not_compute_are_told(module):
    torchcaffe.allow_python_modules(module)
    with pytest.raises(InputError, match=r'"mine".* "Idle" has no method forward'):
        _net(module, "Idle").forward()


def test_missing_module_is_named(module):
    torchcaffe.allow_python_modules("no_such_module_here")
    with pytest.raises(InputError, match='"no_such_module_here" cannot be imported'):
        _net("no_such_module_here", "Times")
