"""Measures single layers on BVLC Caffe, as tests/golden/layers holds them.

    scripts/bvlc_run.sh .bullseye python3 tests/bvlc/layer_golden.py tests/golden/layers_more

writes the cases below, in the form that test_golden_layers.py reads: keys `prototxt`, `phase`,
`in:<blob>`, `param:<layer>:<i>`, `out:<blob>`, `topdiff:<blob>`, `indiff:<blob>`,
`paramdiff:<layer>:<i>`.
"""

import os
import sys
import tempfile

import caffe
import numpy as np

FILLER = 'weight_filler { type: "uniform" min: -0.4 max: 0.4 }'
RECURRENT = f"recurrent_param {{ num_output: 3 expose_hidden: true {FILLER} }}"

# name -> (layer, shapes of its bottoms, tops without a gradient)
CASES = {
    "pooling_mask_0": (
        'type: "Pooling" top: "out0" top: "out1" '
        "pooling_param { pool: MAX kernel_size: 3 stride: 2 pad: 1 }",
        [(2, 3, 6, 7)],
        ["out1"],
    ),
    "pooling_mask_1": (
        'type: "Pooling" top: "out0" top: "out1" '
        "pooling_param { pool: MAX kernel_h: 2 kernel_w: 3 stride: 2 round_mode: FLOOR }",
        [(1, 2, 7, 8)],
        ["out1"],
    ),
    "lstmunit_0": (
        'type: "LSTMUnit" top: "out0" top: "out1"',
        [(1, 3, 4), (1, 3, 16), "marks 1 3"],
        [],
    ),
    "lstm_exposed_0": (
        f'type: "LSTM" top: "out0" top: "out1" top: "out2" {RECURRENT}',
        [(4, 2, 5), "marks 4 2", (1, 2, 3), (1, 2, 3)],
        [],
    ),
    "lstm_exposed_static_0": (
        f'type: "LSTM" top: "out0" top: "out1" top: "out2" {RECURRENT}',
        [(3, 2, 5), "marks 3 2", (2, 4), (1, 2, 3), (1, 2, 3)],
        [],
    ),
    "rnn_exposed_0": (
        f'type: "RNN" top: "out0" top: "out1" {RECURRENT}',
        [(4, 2, 5), "marks 4 2", (1, 2, 3)],
        [],
    ),
    "mvn_two_axes": ('type: "MVN" top: "out0"', [(3, 4)], []),
    "mvn_three_axes": ('type: "MVN" top: "out0"', [(3, 4, 5)], []),
    "mvn_large_eps": (
        'type: "MVN" top: "out0" mvn_param { across_channels: true eps: 0.1 }',
        [(2, 3, 4, 5)],
        [],
    ),
    "mvn_equal_values": ('type: "MVN" top: "out0" mvn_param { eps: 0.5 }', ["ones 2 3 2 2"], []),
    "argmax_one_axis": (
        'type: "ArgMax" top: "out0" argmax_param { out_max_val: true }',
        [(5,)],
        ["out0"],
    ),
    "power_constant": (
        'type: "Power" top: "out0" power_param { power: -1 scale: 0 }',
        [(2, 3)],
        [],
    ),
}
LOSSES = {
    "infogainloss_0": "",
    "infogainloss_1": "loss_param { ignore_label: 2 }",
    "infogainloss_2": "loss_param { ignore_label: 2 normalization: BATCH_SIZE }",
    "infogainloss_3": "loss_param { normalization: NONE } infogain_loss_param { axis: -1 }",
}


def values(random, shape):
    if isinstance(shape, str):
        kind, *sizes = shape.split()
        if kind == "ones":
            return np.ones(tuple(map(int, sizes)), np.float32)
        marks = (random.rand(*map(int, sizes)) > 0.3).astype(np.float32)
        marks[:1] = 1
        return marks
    return random.standard_normal(shape).astype(np.float32)


def net_of(text):
    with tempfile.NamedTemporaryFile("w", suffix=".prototxt", delete=False) as file:
        file.write(text)
    net = caffe.Net(file.name, caffe.TRAIN)
    os.unlink(file.name)
    return net


def input_text(name, shape):
    dims = " ".join(f"dim: {size}" for size in shape)
    head = f'layer {{ name: "{name}" type: "Input" top: "{name}" '
    return head + f"input_param {{ shape {{ {dims} }} }} }}"


def measure(case, name):
    layer, shapes, without_gradient = case
    random = np.random.RandomState(len(name))
    arrays = [values(random, shape) for shape in shapes]
    bottoms = " ".join(f'bottom: "in{number}"' for number in range(len(arrays)))
    lines = [f'name: "{name}" force_backward: true']
    lines += [input_text(f"in{number}", array.shape) for number, array in enumerate(arrays)]
    lines.append(f'layer {{ name: "it" {bottoms} {layer} }}')
    found = {"prototxt": "\n".join(lines) + "\n", "phase": caffe.TRAIN}
    net = net_of(found["prototxt"])
    for index, blob in enumerate(net.params.get("it", [])):
        blob.data[...] = random.uniform(-0.5, 0.5, tuple(blob.shape))
        found[f"param:it:{index}"] = blob.data.copy()
    for number, array in enumerate(arrays):
        net.blobs[f"in{number}"].data[...] = found[f"in:in{number}"] = array
    net.forward()
    for top in net.outputs:
        found[f"out:{top}"] = net.blobs[top].data.copy()
        if top not in without_gradient:
            net.blobs[top].diff[...] = random.standard_normal(found[f"out:{top}"].shape)
            found[f"topdiff:{top}"] = net.blobs[top].diff.copy()
    if without_gradient == net.outputs:
        return found  # Caffe ends the process where a layer has no gradient
    net.backward()
    for number, shape in enumerate(shapes):
        if not str(shape).startswith("marks"):
            found[f"indiff:in{number}"] = net.blobs[f"in{number}"].diff.copy()
    for index, blob in enumerate(net.params.get("it", [])):
        found[f"paramdiff:it:{index}"] = blob.diff.copy()
    return found


def measure_loss(settings, name):
    """Scores come from a Parameter layer: with force_backward Caffe wants the matrix's gradient."""
    random = np.random.RandomState(len(settings) + 1)
    last = "axis: -1" in settings
    shape, label_shape = ((2, 3, 5, 4), (2, 3, 5)) if last else ((2, 4, 3, 5), (2, 1, 3, 5))
    dims = " ".join(f"dim: {size}" for size in shape)
    text = "\n".join(
        [
            f'name: "{name}"',
            'layer { name: "in0" type: "Parameter" top: "in0" '
            f"parameter_param {{ shape {{ {dims} }} }} }}",
            input_text("in1", label_shape),
            input_text("in2", (1, 1, 4, 4)),
            'layer { name: "it" type: "InfogainLoss" bottom: "in0" bottom: "in1" bottom: "in2" '
            f'top: "out0" top: "out1" loss_weight: 1.5 loss_weight: 0 {settings} }}',
        ]
    )
    found = {"prototxt": text + "\n", "phase": caffe.TRAIN}
    net = net_of(text)
    found["param:in0:0"] = random.standard_normal(shape).astype(np.float32)
    found["in:in1"] = random.randint(0, 4, label_shape).astype(np.float32)
    found["in:in2"] = random.rand(1, 1, 4, 4).astype(np.float32)
    net.params["in0"][0].data[...] = found["param:in0:0"]
    net.blobs["in1"].data[...], net.blobs["in2"].data[...] = found["in:in1"], found["in:in2"]
    net.forward()
    for top in ("out0", "out1"):
        found[f"out:{top}"] = net.blobs[top].data.copy()
    net.backward()
    found["paramdiff:in0:0"] = net.params["in0"][0].diff.copy()
    return found


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for name, case in CASES.items():
        np.savez_compressed(os.path.join(folder, name), **measure(case, name))
    for name, settings in LOSSES.items():
        np.savez_compressed(os.path.join(folder, name), **measure_loss(settings, name))


if __name__ == "__main__":
    main(sys.argv[1])
