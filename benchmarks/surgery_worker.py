"""One transplant in a process of its own; prints seconds since its start and peak resident MiB.

    surgery_worker.py files|protobuf|pycaffe MODEL WEIGHTS TARGET OUTPUT

Runs under Python 3.9 too, beside BVLC Caffe.
"""

import time

START = time.perf_counter()

import sys  # noqa: E402


def files(model, weights, target, output):
    """Run this project's command."""
    from fcnkit.commands import main, net_surgery

    arguments = ["--model", model, "--weights", weights, "--target", target, "--output", output]
    if main.run_module(net_surgery, arguments) != 0:
        sys.exit(1)


def protobuf(model, weights, target, output):
    """Keep whole messages and arrays in memory, as scripts with protobuf but no Caffe do."""
    import numpy as np

    from caffeformat import pb, read_net
    from fcnkit.nets import net_parameters

    source = pb.NetParameter()
    with open(weights, "rb") as file:
        source.ParseFromString(file.read())
    arrays = {
        layer.name: [
            np.array(blob.data, np.float32).reshape(list(blob.shape.dim)) for blob in layer.blobs
        ]
        for layer in source.layer
    }
    result = read_net(target)
    for layer, blobs in net_parameters(result):
        have = arrays.get(layer.name, [])
        for index, blob in enumerate(blobs):
            array = have[index] if index < len(have) else np.zeros(blob.shape, np.float32)
            made = layer.blobs.add()
            made.shape.dim.extend(blob.shape)
            made.data.extend(array.ravel())
    with open(output, "wb") as file:
        file.write(result.SerializeToString())


def pycaffe(model, weights, target, output):
    """BVLC Caffe's own transplant, as in Berkeley's and DIGITS' tutorials."""
    import caffe

    caffe.set_mode_cpu()
    old = caffe.Net(model, weights, caffe.TEST)
    new = caffe.Net(target, caffe.TEST)
    for name in set(old.params) & set(new.params):
        for before, after in zip(old.params[name], new.params[name]):
            after.data.flat = before.data.flat
    new.save(output)


def peak():
    """Return the peak resident MiB of this process (`getrusage` would include its parent)."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    {"files": files, "protobuf": protobuf, "pycaffe": pycaffe}[sys.argv[1]](*sys.argv[2:])
    print(f"measured {time.perf_counter() - START:.3f} {peak():.1f}")
