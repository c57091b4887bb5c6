"""Fields without effect are named, as far as somebody would expect one."""

from pathlib import Path

import pytest

from caffeformat import parse_text, pb, read_net, read_solver
from caffeformat.messages import FieldWarning, unread_fields
from fcnkit.zoo import networks, path

LOSS = 'bottom: "x" bottom: "l" top: "y"'
NETS = {
    'type: "Data" data_param { mirror: true crop_size: 3 mean_file: "m" scale: 0.5 }': [
        "data_param.scale (set it in transform_param)",
        "data_param.mean_file (set it in transform_param)",
        "data_param.crop_size (set it in transform_param)",
        "data_param.mirror (set it in transform_param)",
    ],
    'type: "Data" data_param { force_encoded_color: true }': [
        "data_param.force_encoded_color (set force_color in transform_param)"
    ],
    'type: "Data" data_param { scale: 1 mirror: false crop_size: 0 }': [],  # the defaults
    'type: "Data" transform_param { mirror: true force_gray: true }': [],
    'type: "ImageData" image_data_param { mirror: true } transform_param { force_gray: true }': [
        "image_data_param.mirror (set it in transform_param)",
        "transform_param.force_gray (is for layers of type Data)",
    ],
    'type: "WindowData" window_data_param { scale: 2 mirror: true } transform_param { scale: 2 }': [
        "window_data_param.mirror (set it in transform_param)",
        "transform_param.scale (set it in window_data_param)",
    ],
    'type: "DenseImageData" dense_image_data_param { mirror: true mean_file: "m" }': [
        "dense_image_data_param.mean_file (set it in transform_param)"
    ],
    'type: "MemoryData" transform_param { scale: 2 }': [
        "transform_param (type MemoryData does not transform its data)"
    ],
    'type: "Python" transform_param { scale: 2 }': [
        "transform_param (type Python does not transform its data)"
    ],
    'type: "ReLU" relu_param { negative_slope: 1 } pooling_param { stride: 2 }': [
        "pooling_param (type ReLU does not read it)"
    ],
    'type: "ReLU" interp_param { zoom_factor: 2 }': ["interp_param (type ReLU does not read it)"],
    'type: "Silence" loss_param { ignore_label: 2 }': [
        "loss_param (type Silence does not read it)"
    ],
    f'type: "EuclideanLoss" {LOSS} loss_param {{ normalize: false }}': [
        "loss_param (type EuclideanLoss does not read it)"
    ],
    f'type: "SoftmaxWithLoss" {LOSS} loss_param {{ ignore_label: 3 }} softmax_param {{ }}': [],
    f'type: "SoftmaxWithLoss" {LOSS} loss_param {{ normalize: false normalization: FULL }}': [
        "loss_param.normalize (normalization decides)"
    ],
    f'type: "InfogainLoss" {LOSS} softmax_param {{ axis: 2 }}': [
        "softmax_param.axis (set it in infogain_loss_param)"
    ],
    f'type: "InfogainLoss" {LOSS} bottom: "h" infogain_loss_param {{ source: "h" }}': [
        "infogain_loss_param.source (the third bottom holds the matrix)"
    ],
    'type: "Deconvolution" convolution_param { num_output: 2 }': [],
    'type: "LSTM" recurrent_param { num_output: 2 }': [],
    'type: "Im2col" convolution_param { num_output: 2 kernel_size: 3 }': [
        "convolution_param.num_output (type Im2col has no parameters)"
    ],
    'type: "Eltwise" eltwise_param { operation: MAX coeff: 2 }': [
        "eltwise_param.coeff (only SUM takes coefficients)"
    ],
    'type: "Eltwise" eltwise_param { coeff: 2 }': [],
    'type: "LRN" lrn_param { norm_region: WITHIN_CHANNEL k: 2 }': [
        "lrn_param.k (WITHIN_CHANNEL always adds 1)"
    ],
    'type: "Scale" bottom: "x" scale_param { bias_filler { value: 2 } }': [
        "scale_param.bias_filler (set bias_term: true to have a bias)"
    ],
    'type: "Scale" bottom: "x" bottom: "y" scale_param { filler { value: 2 } }': [
        "scale_param.filler (the second bottom holds the values)"
    ],
    'type: "BatchNorm" batch_norm_param { scale_bias: true use_global_stats: true }': [
        "batch_norm_param.use_global_stats (with scale_bias, the phase decides)"
    ],
    'type: "BatchNorm" batch_norm_param { use_global_stats: true }': [],
    'type: "Interp" bottom: "x" interp_param { zoom_factor: 2 height: 3 width: 3 }': [
        "interp_param.height (the factor decides)",
        "interp_param.width (the factor decides)",
    ],
    'type: "Unknown" pooling_param { stride: 2 }': [],  # refused as a whole when it is built
    'type: "ReLU" multibox_loss_param { num_classes: 3 }': [],  # the warning about forks names it
}
SOLVERS = {
    'lr_policy: "fixed" gamma: 0.1 stepsize: 5': [
        'gamma (is for lr_policy "step", "exp", "inv", "multistep" or "sigmoid", not "fixed")',
        'stepsize (is for lr_policy "step" or "sigmoid", not "fixed")',
    ],
    'lr_policy: "step" gamma: 0.1 stepvalue: 5 stepsize: 3': [
        'stepvalue (is for lr_policy "multistep", not "step")'
    ],
    'lr_policy: "poly" power: 0.9 momentum: 0.9 type: "Nesterov"': [],
    'lr_policy: "fixed" type: "SGD" momentum2: 0.9': [
        'momentum2 (is for type "Adam", not "SGD")'
    ],
}  # fmt: skip


@pytest.mark.parametrize("text", NETS)
def test_fields_that_a_layer_does_not_read(text):
    net = parse_text(f'layer {{ name: "it" {text} }}', pb.NetParameter)
    assert unread_fields(net) == [f'layer "it": {found}' for found in NETS[text]]


@pytest.mark.parametrize("text", SOLVERS)
def test_fields_that_a_solver_does_not_read(text):
    assert unread_fields(parse_text(text, pb.SolverParameter)) == SOLVERS[text]


def test_a_file_with_such_fields_is_read_with_a_warning(tmp_path):
    (tmp_path / "net.prototxt").write_text('layer { name: "r" type: "ReLU" lrn_param { } }')
    with pytest.warns(FieldWarning, match=r'net\.prototxt: .* as in Caffe: layer "r": lrn_param'):
        read_net(tmp_path / "net.prototxt")
    (tmp_path / "solver.prototxt").write_text('lr_policy: "fixed" base_lr: 1 gamma: 0.5')
    with pytest.warns(FieldWarning, match=r"solver\.prototxt: .* as in Caffe: gamma"):
        read_solver(tmp_path / "solver.prototxt")


def test_v1_layers_read_them(tmp_path):
    """Caffe moves these fields to transform_param when it upgrades."""
    path = tmp_path / "net.prototxt"
    path.write_text('layers { name: "d" type: DATA data_param { mirror: true scale: 0.5 } }')
    assert unread_fields(read_net(path)) == []


@pytest.mark.slow
def test_our_own_networks_have_none():
    for name in networks()[::8]:
        for file in Path(path(name, "deploy.prototxt")).parent.glob("*.prototxt"):
            read = read_solver if "solver" in file.name else read_net
            assert unread_fields(read(file)) == [], file
