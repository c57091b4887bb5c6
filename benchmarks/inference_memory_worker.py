"""Scores one image with a network in a process of its own; prints its peak resident MiB.

    inference_memory_worker.py infer|engine|net DEPLOY WEIGHTS IMAGE

`infer` is this project's command, `engine` the same without another runtime, `net` pycaffe's Net
with every blob alive and read, in the engine that FCNKIT_ENGINE names. Runs under Python 3.9 too,
beside BVLC Caffe.
"""

import sys
import tempfile

from surgery_worker import peak


def infer(deploy, weights, image, *more):
    """Run the command `infer` on one image."""
    from fcnkit.commands import infer as command
    from fcnkit.commands import main

    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--net", deploy, "--weights", weights, "--output", folder, "--force", *more]
        if main.run_module(command, [*arguments, image]) != 0:
            sys.exit(1)


def on_engine(deploy, weights, image):
    """Run the command on the engine alone."""
    infer(deploy, weights, image, "--runtime", "torch")


def net(deploy, weights, image):
    """Run a pycaffe script that reads every blob."""
    from fcnkit import engine
    from fcnkit.images import read_rgb

    pixels = read_rgb(image)[:, :, ::-1].transpose(2, 0, 1)
    caffe = engine.load()
    caffe.set_mode_cpu()
    network = caffe.Net(deploy, weights, caffe.TEST)
    network.blobs["data"].reshape(1, *pixels.shape)
    network.blobs["data"].data[...] = pixels
    network.forward()
    print(sum(float(abs(blob.data).max()) for blob in network.blobs.values()))


if __name__ == "__main__":
    {"infer": infer, "engine": on_engine, "net": net}[sys.argv[1]](*sys.argv[2:])
    print(f"peak {peak():.1f}")
