"""Does, one by one and each in a process of its own, what BVLC Caffe and torchcaffe differ in.

known_differences.py OUT.json      (writes {name: what came out, or how it ended})
"""

import json
import os
import sys

import caffe
import numpy as np

_X = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 } } } '
_LABEL = 'layer { name: "l" type: "Input" top: "l" input_param { shape { dim: 4 } } } '
_IN_PLACE = (
    _X + 'layer { name: "s" type: "Scale" bottom: "x" top: "s" } '
    'layer { name: "r" type: "ReLU" bottom: "s" top: "s" } '
    'layer { name: "n" type: "BatchNorm" bottom: "s" top: "%s" }'
)
_ELTWISE = (
    _X + 'layer { name: "d" type: "DummyData" top: "z" dummy_data_param { '
    "shape { dim: 4 dim: 3 } data_filler { value: 2 } } } "
    'layer { name: "e" type: "Eltwise" bottom: "x" bottom: "z" top: "y" '
    "eltwise_param { operation: PROD stable_prod_grad: false } }"
)


def _net(text, phase=caffe.TEST):
    with open("net.prototxt", "w") as file:
        file.write(text)
    net = caffe.Net("net.prototxt", phase)
    net.blobs["x"].data[...] = np.random.RandomState(0).randn(4, 3)
    net.blobs["x"].data[0, 0] = 0
    return net


def _gradient(text, top):
    net = _net("force_backward: true " + text, caffe.TRAIN)
    net.forward()
    net.blobs[top].diff[...] = np.random.RandomState(1).randn(*net.blobs[top].diff.shape)
    net.backward()
    return net.blobs["x"].diff.copy()


def in_place_chain_has_the_right_gradient():
    """Against the same layers with blobs of their own."""
    return bool(np.allclose(_gradient(_IN_PLACE % "s", "s"), _gradient(_IN_PLACE % "y", "y")))


def _agrees_in_place(layer):
    """Whether `layer`, a text with %s for its top, gives the same in place and beside."""
    text = _X + 'layer { name: "s" type: "Power" bottom: "x" top: "s" power_param { scale: 2 } } '
    text += 'layer { name: "p" type: "Power" bottom: "x" top: "z" power_param { shift: 1 } } '
    tops = []
    for top in ("s", "y"):
        net = _net(text + layer % top)
        net.forward()
        tops.append(net.blobs[top].data.copy())
    return bool(np.allclose(*tops))


def sum_in_place():
    return _agrees_in_place('layer { type: "Eltwise" bottom: "s" bottom: "z" top: "%s" }')


def lrn_in_place():
    lrn = 'layer { type: "LRN" bottom: "t" top: "%s" lrn_param { local_size: 3 alpha: 1 } }'
    text = _X + 'layer { type: "Reshape" bottom: "x" top: "t" reshape_param { shape { '
    text += "dim: 4 dim: 3 dim: 1 dim: 1 } } } "
    tops = []
    for top in ("t", "y"):
        net = _net(text + lrn % top)
        net.forward()
        tops.append(net.blobs[top].data.copy())
    return bool(np.allclose(*tops))


def layers_that_overwrite_what_their_gradient_needs():
    """Those of which the gradient in place is the one beside."""
    found = []
    for name, settings in (
        ("BNLL", ""),
        ("Clip", "clip_param { min: -0.5 max: 0.5 }"),
        ("Log", "log_param { shift: 20 }"),
        ("MVN", "mvn_param { across_channels: true eps: 0.1 }"),
        ("ReLU", "relu_param { negative_slope: -0.5 }"),
        ("Sigmoid", ""),
    ):
        text = _X + 'layer { type: "Reshape" bottom: "x" top: "t" reshape_param { shape { '
        text += "dim: 4 dim: 3 dim: 1 dim: 1 } } } "
        text += 'layer { type: "Power" bottom: "t" top: "s" power_param { scale: 2 } } '
        text += f'layer {{ type: "{name}" bottom: "s" top: "%s" {settings} }}'
        if np.allclose(_gradient(text % "s", "s"), _gradient(text % "y", "y")):
            found.append(name)
    return found


def flatten_in_place():
    _net(_X + 'layer { type: "Power" bottom: "x" top: "s" } '
         'layer { type: "Flatten" bottom: "s" top: "s" }')  # fmt: skip
    return "a net"


def gradient_passes_reshape_and_flatten():
    text = (
        _X + 'layer { type: "Power" bottom: "x" top: "s" power_param { scale: 2 } } '
        'layer { type: "Reshape" bottom: "s" top: "r" reshape_param { shape { dim: 2 dim: -1 } } } '
        'layer { type: "Flatten" bottom: "r" top: "y" }'
    )
    return bool(np.any(_gradient(text, "y")))


def gradient_passes_lstm_and_flatten():
    with open("net.prototxt", "w") as file:
        file.write(
            'layer { type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 dim: 1 } } } '
            'layer { type: "Input" top: "c" input_param { shape { dim: 4 dim: 3 } } } '
            'layer { name: "h" type: "LSTM" bottom: "x" bottom: "c" top: "h" recurrent_param { '
            'num_output: 2 weight_filler { type: "constant" value: 0.1 } } } '
            'layer { type: "Flatten" bottom: "h" top: "f" } '
            'layer { type: "Reduction" bottom: "f" top: "l" loss_weight: 1 }'
        )
    net = caffe.Net("net.prototxt", caffe.TRAIN)
    net.blobs["x"].data[...] = 1
    net.blobs["c"].data[1:] = 1
    net.forward()
    net.backward()
    return bool(np.any(net.params["h"][0].diff))


def second_top_of_a_loss_without_loss_weight():
    loss = 'layer { type: "SoftmaxWithLoss" bottom: "x" bottom: "l" top: "a" top: "y" }'
    _net(_X + _LABEL + loss)
    return "a net"


def weights_of_layers_of_one_name():
    """What two layers hold after weights 2 and 3 were saved and loaded."""
    bias = 'layer { name: "b" type: "Bias" bottom: "%s" top: "%s" '
    bias += "bias_param { filler { value: %s } } } "
    text = _X + bias % ("x", "y", 2) + bias % ("y", "z", 3)
    _net(text).save("two.caffemodel")
    net = _net(text.replace("value: 2", "value: 0").replace("value: 3", "value: 0"))
    net.copy_from("two.caffemodel")
    return [float(layer.blobs[0].data.flat[0]) for layer in net.layers if len(layer.blobs)]


def accuracy_under_force_backward():
    accuracy = 'layer { name: "a" type: "Accuracy" bottom: "x" bottom: "l" top: "a" }'
    return float(np.abs(_gradient(_X + _LABEL + accuracy, "a")).max())


def product_gradient_at_zeros_is_finite():
    return bool(np.isfinite(_gradient(_ELTWISE, "y")).all())


def label_past_the_classes():
    net = _net(_X + _LABEL + 'layer { type: "SoftmaxWithLoss" bottom: "x" bottom: "l" top: "a" }')
    net.blobs["l"].data[...] = [0, 1, 2, 7]
    net.forward()
    return "a loss"


def field_of_a_fork():
    _net(_X + 'layer { type: "ReLU" bottom: "x" top: "y" interp_param { zoom_factor: 2 } }')
    return "a net"


def blobs_in_a_prototxt():
    blobs = "blobs { shape { dim: 3 } data: 1 data: 2 data: 3 }"
    _net(_X + f'layer {{ type: "Bias" bottom: "x" top: "y" {blobs} }}')
    return "a net"


def python_layer_of_any_module():
    with open("own_layers.py", "w") as file:
        file.write(
            "import caffe\nclass Own(caffe.Layer):\n"
            "    def setup(self, bottom, top): pass\n"
            "    def reshape(self, bottom, top): top[0].reshape(1)\n"
        )
    sys.path.insert(0, os.getcwd())
    python = 'python_param { module: "own_layers" layer: "Own" }'
    _net(_X + f'layer {{ type: "Python" bottom: "x" top: "y" {python} }}')
    return "a net"


def solver_net_beside_the_solver():
    os.makedirs("sub", exist_ok=True)
    with open("sub/beside.prototxt", "w") as file:
        file.write(_X)
    with open("sub/solver.prototxt", "w") as file:
        file.write('net: "beside.prototxt" base_lr: 0.1 lr_policy: "fixed" snapshot_prefix: "s"')
    caffe.get_solver("sub/solver.prototxt")
    return "a solver"


def snapshot_prefix_in_no_folder():
    with open("trained.prototxt", "w") as file:
        file.write(_X)
    with open("solver.prototxt", "w") as file:
        file.write(
            'net: "trained.prototxt" base_lr: 0.1 lr_policy: "fixed" snapshot: 1 '
            'snapshot_prefix: "nowhere/s"'
        )
    caffe.get_solver("solver.prototxt")
    return "a solver"


def _rate_after_a_step(policy):
    with open("trained.prototxt", "w") as file:
        file.write(_X)
    with open("solver.prototxt", "w") as file:
        file.write('net: "trained.prototxt" base_lr: 0.1 snapshot_after_train: false ' + policy)
    caffe.get_solver("solver.prototxt").step(1)
    return "a step"


def sigmoid_that_falls():
    return _rate_after_a_step('lr_policy: "sigmoid" gamma: -0.1 stepsize: 5')


def policy_without_its_fields():
    return _rate_after_a_step('lr_policy: "poly" max_iter: 5')


def axes_of_the_labels_of_memory_data():
    with open("net.prototxt", "w") as file:
        file.write(
            'layer { name: "in" type: "MemoryData" top: "x" top: "l" '
            "memory_data_param { batch_size: 4 channels: 3 height: 1 width: 1 } }"
        )
    net = caffe.Net("net.prototxt", caffe.TEST)
    data, labels = np.zeros((4, 3, 1, 1), np.float32), np.zeros(4, np.float32)
    net.set_input_arrays(data, labels)
    net.forward()
    return net.blobs["l"].data.ndim


def weights_of_a_test_net_before_its_first_test():
    with open("trained.prototxt", "w") as file:
        file.write(
            _X + 'layer { name: "p" type: "InnerProduct" bottom: "x" top: "y" '
            'inner_product_param { num_output: 1 weight_filler { type: "gaussian" } } } '
        )
    with open("solver.prototxt", "w") as file:
        file.write('net: "trained.prototxt" base_lr: 1 lr_policy: "fixed" test_iter: 1 ')
        file.write("test_interval: 1 snapshot_after_train: false")
    solver = caffe.get_solver("solver.prototxt")
    weights = [net.params["p"][0].data for net in (solver.net, solver.test_nets[0])]
    return bool(np.array_equal(*weights))


CASES = [
    in_place_chain_has_the_right_gradient,
    sum_in_place,
    lrn_in_place,
    layers_that_overwrite_what_their_gradient_needs,
    flatten_in_place,
    gradient_passes_reshape_and_flatten,
    gradient_passes_lstm_and_flatten,
    second_top_of_a_loss_without_loss_weight,
    weights_of_layers_of_one_name,
    accuracy_under_force_backward,
    product_gradient_at_zeros_is_finite,
    label_past_the_classes,
    field_of_a_fork,
    blobs_in_a_prototxt,
    python_layer_of_any_module,
    solver_net_beside_the_solver,
    snapshot_prefix_in_no_folder,
    axes_of_the_labels_of_memory_data,
    weights_of_a_test_net_before_its_first_test,
    sigmoid_that_falls,
    policy_without_its_fields,
]


def _apart(case):
    """What `case` gives in a process of its own, which BVLC Caffe may end."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            found = case()
        except Exception as error:
            found = type(error).__name__
        os.write(writing, json.dumps(found).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        said = file.read()
    os.waitpid(child, 0)
    return json.loads(said) if said else "the process ended"


if __name__ == "__main__":
    found = {case.__name__: _apart(case) for case in CASES}
    with open(sys.argv[1], "w") as file:
        json.dump(found, file)
