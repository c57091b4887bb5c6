#!/usr/bin/env python3
r"""Gives an FCN of net_surgery a decoder of features, and lets its BatchNorm layers learn.

    fcnkit net_surgery --net deploy.prototxt --weights classifier.caffemodel --classes 11 \
        --stride 4 --output fcn_4
    benchmarks/camvid_decoder.py fcn_4 fcn_decoder [--channels 64] [--rate 5]
    fcnkit train fcn_decoder/solver.prototxt --weights fcn_4/fcn_4.caffemodel ...

Where the FCN scores each stride and adds the scores, the new network makes `--channels` normalized
features of each stride, adds those, and scores them after one more 3x3 convolution (Lin et al.
2017, Feature Pyramid Networks, with sums alone). Upsampling and crops stay, so everything lies
where it lay. New layers learn at `--rate` times the trunk's rate. BatchNorm normalizes by the
batch in training, whatever the classifier's file fixed.
"""

from __future__ import annotations

import argparse
import os

from caffeformat import pb, read_net, read_solver, write_text


def convolution(
    name: str, bottom: str, outputs: int, kernel: int, rate: float
) -> pb.LayerParameter:
    """A convolution of stride 1 without bias that keeps the size."""
    layer = pb.LayerParameter(name=name, type="Convolution", bottom=[bottom], top=[name])
    layer.param.add(lr_mult=rate, decay_mult=1)
    settings = layer.convolution_param
    settings.num_output, settings.bias_term = outputs, False
    settings.kernel_size.append(kernel)
    settings.pad.append(kernel // 2)
    settings.weight_filler.type = "msra"
    return layer


def in_place(kind: str, name: str, top: str) -> pb.LayerParameter:
    return pb.LayerParameter(name=name, type=kind, bottom=[top], top=[top])


def normalized(layer: pb.LayerParameter, rate: float) -> list[pb.LayerParameter]:
    """The layer, BatchNorm and Scale."""
    norm = in_place("BatchNorm", f"{layer.name}_bn", layer.top[0])
    norm.batch_norm_param.moving_average_fraction = 0.99
    scale = in_place("Scale", f"{layer.name}_scale", layer.top[0])
    scale.param.add(lr_mult=rate, decay_mult=0)
    scale.param.add(lr_mult=rate, decay_mult=0)
    scale.scale_param.bias_term = True
    return [layer, norm, scale]


def decoded(layer: pb.LayerParameter, channels: int, rate: float) -> list[pb.LayerParameter]:
    """What takes the place of one of the FCN's layers."""
    if layer.type == "BatchNorm":
        layer.batch_norm_param.ClearField("use_global_stats")
        layer.batch_norm_param.moving_average_fraction = 0.99
    elif layer.type == "Convolution" and layer.name.startswith("score_"):
        features = convolution(
            layer.name.replace("score", "lateral", 1), layer.bottom[0], channels, 1, rate
        )
        features.top[0] = layer.top[0]
        return normalized(features, rate)
    elif layer.type == "Deconvolution" and layer.name != "upscore":
        layer.name = f"decoder_{layer.name}"
        layer.convolution_param.num_output = layer.convolution_param.group = channels
    elif layer.type == "Deconvolution":
        fused, classes = layer.bottom[0], layer.convolution_param.num_output
        score = convolution("score_decoder", "decoder", classes, 1, rate)
        score.param.add(lr_mult=2 * rate, decay_mult=0)
        score.convolution_param.bias_term = True
        score.convolution_param.weight_filler.type = "gaussian"
        score.convolution_param.weight_filler.std = 0.01
        layer.bottom[0] = "score_decoder"
        return [
            in_place("ReLU", "fused_relu", fused),
            *normalized(convolution("decoder", fused, channels, 3, rate), rate),
            in_place("ReLU", "decoder_relu", "decoder"),
            score,
            layer,
        ]
    return [layer]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fcn", help="output of net_surgery --classes")
    parser.add_argument("output", help="folder to make")
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--rate", type=float, default=5)
    args = parser.parse_args()
    os.makedirs(args.output)
    for name in ("train_val.prototxt", "deploy.prototxt"):
        net = read_net(os.path.join(args.fcn, name))
        layers = [new for old in net.layer for new in decoded(old, args.channels, args.rate)]
        made = pb.NetParameter(name=f"{net.name} with a decoder", layer=layers)
        write_text(os.path.join(args.output, name), made)
    solver = read_solver(os.path.join(args.fcn, "solver.prototxt"))
    solver.snapshot_prefix, solver.iter_size = os.path.basename(args.output), 1
    write_text(os.path.join(args.output, "solver.prototxt"), solver)


if __name__ == "__main__":
    main()
