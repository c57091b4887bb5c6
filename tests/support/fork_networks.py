"""Networks of forks as their authors publish them, at a width of choice, with random weights."""

import numpy as np

import torchcaffe
from caffeformat import filter_net, parse_text, pb, read_net, upgrade_net
from fcnkit.zoo import path

_BLOCKS = (2, 2, 3, 3, 3)  # convolutions per stage of VGG-16
_CLASSES = 12


def segnet(width=64, mode="INFERENCE"):
    """SegNet for CamVid, 360 x 480: VGG-16 with masks, and its mirror image with Upsample."""
    widths = [width * min(2**stage, 8) for stage in range(5)]
    sizes = {5: "upsample_w: 30 upsample_h: 23", 4: "upsample_w: 60 upsample_h: 45"}
    layers, top = [], "data"

    def convolution(name, outputs, last=False):
        nonlocal top
        layers.append(
            f'name: "{name}" type: "Convolution" bottom: "{top}" top: "{name}" convolution_param '
            f'{{ weight_filler {{ type: "msra" }} num_output: {outputs} pad: 1 kernel_size: 3 }}'
        )
        top = name
        if not last:
            layers.append(
                f'name: "{name}_bn" type: "BN" bottom: "{top}" top: "{top}" bn_param {{ '
                f"bn_mode: {mode} scale_filler {{ value: 1 }} shift_filler {{ value: 0.001 }} }}"
            )
            layers.append(f'name: "relu_{name}" type: "ReLU" bottom: "{top}" top: "{top}"')

    for stage, (count, outputs) in enumerate(zip(_BLOCKS, widths), 1):
        for number in range(1, count + 1):
            convolution(f"conv{stage}_{number}", outputs)
        layers.append(
            f'name: "pool{stage}" type: "Pooling" bottom: "{top}" top: "pool{stage}" '
            f'top: "pool{stage}_mask" pooling_param {{ pool: MAX kernel_size: 2 stride: 2 }}'
        )
        top = f"pool{stage}"
    for stage in range(5, 0, -1):
        layers.append(
            f'name: "upsample{stage}" type: "Upsample" bottom: "{top}" '
            f'bottom: "pool{stage}_mask" top: "pool{stage}_D" '
            f"upsample_param {{ scale: 2 {sizes.get(stage, '')} }}"
        )
        top = f"pool{stage}_D"
        for number in range(_BLOCKS[stage - 1], 0, -1):
            last = stage == number == 1
            below = widths[max(stage - 2, 0)] if number == 1 else widths[stage - 1]
            convolution(f"conv{stage}_{number}_D", _CLASSES if last else below, last)
    layers.append(f'name: "prob" type: "Softmax" bottom: "{top}" top: "prob"')
    text = 'name: "segnet" input: "data" input_dim: 1 input_dim: 3 input_dim: 360 input_dim: 480 '
    return _net(text + "".join(f"layer {{ {layer} }} " for layer in layers))


def segnet_decoder(net, shapes):
    """The second half of a SegNet as a net: its inputs are the last pooling and all masks."""
    result = pb.NetParameter(name="decoder")
    for name in ("pool5", *(f"pool{stage}_mask" for stage in range(1, 6))):
        layer = result.layer.add(name=name, type="Input", top=[name])
        layer.input_param.shape.add(dim=shapes[name])
    start = [layer.name for layer in net.layer].index("upsample5")
    for layer in net.layer[start:]:
        result.layer.add().CopyFrom(layer)
    return result


def ssd_head(prior_boxes=False):
    """The first two feature maps of SSD with their boxes and scores, and with PriorBox on demand.

    Normalize with a scale per channel; Permute, Flatten and Concat of each map; Reshape and Softmax
    of the scores.
    """
    layers = [
        'name: "conv4_3" type: "Convolution" bottom: "data" top: "conv4_3" convolution_param { '
        'weight_filler { type: "msra" } num_output: 16 pad: 1 kernel_size: 3 stride: 2 }',
        'name: "relu4_3" type: "ReLU" bottom: "conv4_3" top: "conv4_3"',
        'name: "fc7" type: "Convolution" bottom: "conv4_3" top: "fc7" convolution_param { '
        'weight_filler { type: "msra" } num_output: 24 pad: 1 kernel_size: 3 stride: 2 }',
        'name: "relu7" type: "ReLU" bottom: "fc7" top: "fc7"',
        'name: "conv4_3_norm" type: "Normalize" bottom: "conv4_3" top: "conv4_3_norm" norm_param { '
        "across_spatial: false channel_shared: false scale_filler { value: 20 } }",
    ]
    for blob, boxes in (("conv4_3_norm", 4), ("fc7", 6)):
        for what, count in (("loc", 4 * boxes), ("conf", 21 * boxes)):
            name = f"{blob}_mbox_{what}"
            layers += [
                f'name: "{name}" type: "Convolution" bottom: "{blob}" top: "{name}" '
                f"convolution_param {{ num_output: {count} pad: 1 kernel_size: 3 "
                'weight_filler { type: "xavier" } }',
                f'name: "{name}_perm" type: "Permute" bottom: "{name}" top: "{name}_perm" '
                "permute_param { order: 0 order: 2 order: 3 order: 1 }",
                f'name: "{name}_flat" type: "Flatten" bottom: "{name}_perm" top: "{name}_flat" '
                "flatten_param { axis: 1 }",
            ]
        if prior_boxes:
            layers.append(
                f'name: "{blob}_priors" type: "PriorBox" bottom: "{blob}" bottom: "data" '
                f'top: "{blob}_priors" prior_box_param {{ min_size: 30 }}'
            )
    for what in ("loc", "conf", "priorbox") if prior_boxes else ("loc", "conf"):
        ending = "priors" if what == "priorbox" else f"mbox_{what}_flat"
        bottoms = " ".join(f'bottom: "{blob}_{ending}"' for blob in ("conv4_3_norm", "fc7"))
        layers.append(
            f'name: "mbox_{what}" type: "Concat" {bottoms} top: "mbox_{what}" '
            f"concat_param {{ axis: {2 if what == 'priorbox' else 1} }}"
        )
    layers += [
        'name: "mbox_conf_reshape" type: "Reshape" bottom: "mbox_conf" top: "mbox_conf_reshape" '
        "reshape_param { shape { dim: 0 dim: -1 dim: 21 } }",
        'name: "mbox_conf_softmax" type: "Softmax" bottom: "mbox_conf_reshape" '
        'top: "mbox_conf_softmax" softmax_param { axis: 2 }',
        'name: "mbox_conf_flatten" type: "Flatten" bottom: "mbox_conf_softmax" '
        'top: "mbox_conf_flatten" flatten_param { axis: 1 }',
    ]
    text = 'name: "ssd" input: "data" input_dim: 1 input_dim: 3 input_dim: 37 input_dim: 45 '
    return _net(text + "".join(f"layer {{ {layer} }} " for layer in layers))


def pspnet():
    """The zoo's PSPNet-50, of BatchNorm, Scale and Interp."""
    return filter_net(read_net(path("pspnet_50", "deploy.prototxt")), pb.TEST)


def pspnet_of_the_fork():
    """PSPNet-50 as its authors publish it: BN in the place of each BatchNorm and its Scale."""
    net, layers = pspnet(), []
    for layer in net.layer:
        if layer.type == "Scale" and layers and layers[-1].type == "BN":
            assert [*layer.bottom] == [*layers[-1].top] == [*layer.top]
            continue
        if layer.type == "BatchNorm":
            layer.type = "BN"
            layer.ClearField("param")
            layer.ClearField("batch_norm_param")
            layer.bn_param.frozen = True
        layers.append(layer)
    result = pb.NetParameter(name=net.name)
    for layer in layers:
        result.layer.add().CopyFrom(layer)
    return result


def _net(text):
    net = parse_text(text, pb.NetParameter)
    upgrade_net(net)
    return net


def random_weights(net, seed=0):
    """`Weights` from the net's fillers; factors and statistics of norms vary around 1."""
    torchcaffe.set_random_seed(seed)
    made = torchcaffe.Net(net_param=net, phase=torchcaffe.TEST)
    random = np.random.RandomState(seed)
    for layer in made.layers:
        for index, blob in enumerate(layer.blobs):
            shape = blob.data.shape
            if layer.type in ("BN", "Normalize"):
                blob.data[...] = random.uniform(0.7, 1.3, shape)
                if index in (1, 2):  # shift, bias or mean
                    blob.data[...] -= 1
            elif layer.type == "BatchNorm":
                blob.data[...] = random.uniform(0.7, 1.3, shape) if index < 2 else 1
            elif not blob.data.any() and blob.data.ndim > 1:
                blob.data[...] = random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
    return made.weights()
