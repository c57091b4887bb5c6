"""What the tests let BVLC Caffe do with files: `python3 pycaffe_jobs.py JOB ARGUMENTS...`.

Nothing of this project is imported, so that the other side of each comparison is BVLC Caffe alone.
"""

import sys

import caffe
import numpy as np


def _parameters(net):
    return {
        f"{layer}:{index}": blob.data
        for layer, blobs in net.params.items()
        for index, blob in enumerate(blobs)
    }


def load_weights(net_path, weights, out):
    """Save the parameters that a net has after reading `weights`."""
    net = caffe.Net(net_path, caffe.TEST)
    net.copy_from(weights)
    np.savez(out, **_parameters(net))


def save_weights(net_path, prefix):
    """Write PREFIX.caffemodel, PREFIX.caffemodel.h5 and PREFIX.npz of random weights."""
    caffe.set_random_seed(7)
    net = caffe.Net(net_path, caffe.TEST)
    for values in _parameters(net).values():
        values[...] = np.random.RandomState(values.size).standard_normal(values.shape)
    net.save(prefix + ".caffemodel")
    net.save_hdf5(prefix + ".caffemodel.h5")
    np.savez(prefix + ".npz", **_parameters(net))


def restore_and_snapshot(solver_path, state):
    """Restore a solver and let it write a snapshot under the solver's own prefix."""
    solver = caffe.get_solver(solver_path)
    solver.restore(state)
    solver.snapshot()


def train(solver_path, steps, state=""):
    """Take steps on random inputs, from a solver state where given, and write a snapshot."""
    caffe.set_random_seed(7)
    solver = caffe.get_solver(solver_path)
    if state:
        solver.restore(state)
    for _ in range(int(steps)):
        data = np.random.RandomState(solver.iter)
        solver.net.blobs["data"].data[...] = data.standard_normal((1, 3, 12, 12))
        solver.net.blobs["label"].data[...] = data.randint(3)
        solver.step(1)
    solver.snapshot()


def read_batches(net_path, count, out):
    """Save every blob of `count` forward passes as BLOB:PASS."""
    net = caffe.Net(net_path, caffe.TEST)
    found = {}
    for step in range(int(count)):
        net.forward()
        found.update((f"{name}:{step}", blob.data.copy()) for name, blob in net.blobs.items())
    np.savez(out, **found)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
