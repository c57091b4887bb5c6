#!/usr/bin/env python3
"""Runs networks on the chosen engine and saves every blob, parameter and gradient.

The half of `compare_engines` that both engines run: same weights, same inputs and same gradients at
the outputs, all from the names of what they fill, so that nothing has to travel between the two.
"""

import argparse
import sys
import zlib

import numpy as np

from caffeformat import read_net
from fcnkit import engine

# Layers whose second bottom holds class indices.
_LABELLED = {
    "SoftmaxWithLoss",
    "Accuracy",
    "HingeLoss",
    "MultinomialLogisticLoss",
    "InfogainLoss",
}


def random_values(name, shape):
    """Standard normal float32 array that depends on `name` and `shape` alone."""
    random = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
    return random.standard_normal(shape).astype(np.float32)


def fill_parameters(net, message):
    """Scaled random weights; BatchNorm gets statistics that it could have gathered."""
    types = {layer.name: layer.type for layer in message.layer}
    for layer, blobs in net.params.items():
        for index, blob in enumerate(blobs):
            shape = tuple(blob.shape)
            values = random_values(f"{layer}:{index}", shape)
            if types.get(layer) == "BatchNorm":
                values = [values * 0.1, 0.5 + np.abs(values), np.ones(shape)][index]
            else:
                fan = np.prod(shape[1:]) if len(shape) > 1 else 200
                values = values * np.sqrt(2 / fan)
            blob.data[...] = values


def fill_inputs(net, message):
    """Random inputs: integers below the number of classes where a loss or accuracy reads labels."""
    labels = {layer.bottom[1]: layer for layer in message.layer if layer.type in _LABELLED}
    for name in net.inputs:
        blob = net.blobs[name]
        values = random_values(name, tuple(blob.shape))
        if name in labels:
            layer = labels[name]
            axis = (
                layer.accuracy_param.axis if layer.type == "Accuracy" else layer.softmax_param.axis
            )
            classes = net.blobs[layer.bottom[0]].shape[axis]
            values = np.floor(np.abs(values) * 1e4) % classes
        blob.data[...] = values


def run_net(path, phase, weights=None, backward=True):
    """{key: array} of one pass: data:BLOB, diff:BLOB, param:LAYER:I, paramdiff:LAYER:I.

    `weights` is a caffemodel; without one the parameters are random.
    """
    caffe = engine.load()
    message = read_net(path)
    net = caffe.Net(str(path), getattr(caffe, phase))
    if weights:
        net.copy_from(str(weights))
    else:
        fill_parameters(net, message)
    fill_inputs(net, message)
    net.forward()
    found = {f"data:{name}": blob.data.copy() for name, blob in net.blobs.items()}
    if backward:
        # A loss starts its own backward: only other outputs want a gradient from outside.
        losses = {top for layer in message.layer if "Loss" in layer.type for top in layer.top}
        for name in set(net.outputs) - losses:
            net.blobs[name].diff[...] = random_values("diff of " + name, net.blobs[name].diff.shape)
        net.backward()
        found.update((f"diff:{name}", blob.diff.copy()) for name, blob in net.blobs.items())
    for layer, blobs in net.params.items():
        for index, blob in enumerate(blobs):
            found[f"param:{layer}:{index}"] = blob.data.copy()
            if backward:
                found[f"paramdiff:{layer}:{index}"] = blob.diff.copy()
    return found


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phase", choices=("TRAIN", "TEST"), default="TEST")
    parser.add_argument("--weights", help="caffemodel; random weights without it")
    parser.add_argument("--forward-only", action="store_true")
    parser.add_argument("nets", nargs="+", help="NET.prototxt; writes NET.ENGINE.npz for each")
    args = parser.parse_args(argv)
    for path in args.nets:
        arrays = run_net(path, args.phase, args.weights, not args.forward_only)
        np.savez(f"{path}.{engine.name()}.npz", **arrays)


if __name__ == "__main__":
    sys.exit(main())
