#!/usr/bin/env python3
"""The net's pass of `infer` against ONNX Runtime by hand, a Segmenter's scores, and whole commands.

    benchmarks/runtimes.py [NET=WIDTHxHEIGHT ...] [--rounds 9] [--no-commands]

All ways of one net alternate in one process; medians, and ratios to the bare pass. `by hand` is the
exported ONNX file in a session with ONNX Runtime's defaults. `scores` begins with an image file's
bytes. BVLC Caffe is measured if it is set up beside the project (scripts/setup_bvlc_caffe.sh).
Weights are random, but for those of Deconvolutions, which interpolate as in published weights.
"""

import argparse
import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
from engines import Worker, with_loss
from net_surgery import random_weights
from PIL import Image

from caffeformat import read_caffemodel, read_net, write_caffemodel, write_text
from fcnkit import runtimes
from fcnkit.export import deployed
from fcnkit.images import Preprocessor
from fcnkit.inference import Segmenter
from fcnkit.nets import can_interpolate, interpolation_weights

HERE = Path(__file__).resolve().parent
REPO = HERE.parent
NETS = {
    "fcn_alexnet": (500, 356),
    "voc_fcn8s": (500, 500),
    "fcn_resnet_50": (480, 480),
    "pspnet_50": (473, 473),
    "fcn_camvid": (480, 360),
}
BESIDE_BVLC = ("fcn_alexnet", "voc_fcn8s")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", nargs="*", help=f"NET=WIDTHxHEIGHT (default: {' '.join(NETS)})")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--images", type=int, default=100, help="images of the whole command")
    parser.add_argument("--no-commands", action="store_true", help="leave out whole commands")
    parser.add_argument("--root", default=REPO / ".bullseye", help="Debian folder with BVLC Caffe")
    args = parser.parse_args(argv)
    nets = {}
    for text in args.nets:
        name, _, size = text.partition("=")
        nets[name] = tuple(map(int, size.split("x"))) if size else NETS[name]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FCNKIT_CACHE"] = os.path.join(folder, "cache")
        for name, size in (nets or NETS).items():
            passes(name, size, folder, args)
        if not args.no_commands:
            commands(folder, args)


def files(name, folder):
    """(net, caffemodel) with random weights, whose scores stay finite however deep the net."""
    deploy = str(REPO / f"prototxt/{name}/deploy.prototxt")
    weights = os.path.join(folder, f"{name}.caffemodel")
    if not os.path.exists(weights):
        random_weights(deploy, weights)
        found = read_caffemodel(weights)
        for layer, blobs in list(found.items()):
            if found.types.get(layer) in ("BatchNorm", "BN"):
                count = blobs[0].size
                found[layer] = [np.zeros(count), np.ones(count), np.ones(1)]
                if len(blobs) == 4:
                    found[layer] = [np.full(blob.shape, value)
                                    for blob, value in zip(blobs, (1, 0, 0, 1))]  # fmt: skip
            if found.types.get(layer) == "Deconvolution" and can_interpolate(blobs[0].shape):
                found[layer] = [interpolation_weights(blobs[0].shape), *blobs[1:]]
        write_caffemodel(f"{weights}.new", found, read_net(deploy))
        os.replace(f"{weights}.new", weights)
    return deploy, weights


def picture(width, height, seed=0):
    """A smooth image with some noise, as JPEG compresses photographs."""
    random = np.random.RandomState(seed)
    coarse = Image.fromarray(random.randint(0, 256, (12, 16, 3)).astype(np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    pixels = np.clip(pixels + random.randint(-9, 10, pixels.shape), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def by_hand(deploy, weights, folder):
    """A session with the exported model, as anybody would open it: a function of its input."""
    path = os.path.join(folder, "by_hand.onnx")
    net = deployed(read_net(deploy))
    runtimes.write_onnx(path, runtimes.to_onnx(net, read_caffemodel(weights), ["score"]))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    given, made = session.get_inputs()[0].name, session.get_outputs()[0].name
    return lambda data: session.run([made], {given: data})[0]


def passes(name, size, folder, args):
    deploy, weights = files(name, folder)
    content = picture(*size)
    prepared = Preprocessor([104, 117, 123])
    ours = Segmenter(deploy, weights, prepared)
    engine = Segmenter(deploy, weights, prepared, runtime="torch")
    data = prepared(ours.read(content))
    ours.scores(ours.read(content))
    session = by_hand(deploy, weights, folder)
    ways = {
        "by hand": lambda: session(data),
        "pass of infer": lambda: ours._network.forward(data),
        "scores": lambda: ours.scores(ours.read(content)),
        "engine's pass": lambda: engine._network.forward(data),
    }
    worker = None
    bvlc = Path(args.root) / "usr/lib/python3/dist-packages/caffe"
    if name in BESIDE_BVLC and bvlc.is_dir():
        path = os.path.join(folder, "net.prototxt")
        write_text(path, with_loss(deploy, *size))
        threads = str(len(os.sched_getaffinity(0)))
        env = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "FCNKIT_ENGINE": "bvlc"}
        run = [str(REPO / "scripts/bvlc_run.sh"), str(args.root), "python3"]
        worker = Worker([*run, str(HERE / "engine_worker.py"), path], env)
        ways["BVLC Caffe"] = lambda: worker.seconds("forward")
    times = {way: [] for way in ways}
    for turn in range(args.rounds + 1):
        for way, call in ways.items():
            time.sleep(0.1)  # until the threads of the way before do not wait in a loop any more
            began = time.perf_counter()
            found = call()
            took = found if way == "BVLC Caffe" else time.perf_counter() - began
            if turn:  # the first one allocates
                times[way].append(took)
    if worker:
        worker.close()
    bare = statistics.median(times["by hand"])
    print(f"{name} {size[0]}x{size[1]}, {ours.runtime}, medians of {args.rounds}")
    for way, took in times.items():
        median = statistics.median(took)
        print(f"  {way:15} {1e3 * median:8.1f} ms  {median / bare:5.2f} of by hand")
    if worker:
        ratio = statistics.median(times["pass of infer"]) / statistics.median(times["BVLC Caffe"])
        print(f"  pass of infer   {ratio:.2f} of BVLC Caffe")
    sys.stdout.flush()


def commands(folder, args):
    """Whole commands: many images against the sum of bare passes, and a cold process's first mask.

    A net that agreed with the engine before is taken at once: both cases are measured.
    """
    deploy, weights = files("fcn_alexnet", folder)
    source = Path(folder) / "images"
    source.mkdir()
    for number in range(args.images):
        (source / f"{number:03}.jpg").write_bytes(picture(500, 375, number))
    session = by_hand(deploy, weights, folder)
    data = Preprocessor([104, 117, 123])(np.asarray(Image.open(source / "000.jpg")))
    session(data)

    def bare():
        """Seconds, and of the processors, of one bare pass: medians."""
        times = []
        for _ in range(15):
            began, processors = time.perf_counter(), time.process_time()
            session(data)
            times.append((time.perf_counter() - began, time.process_time() - processors))
        return [statistics.median(each) for each in zip(*times)]

    # An installed program has its bytecode.
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = os.path.join(folder, "bytecode")

    def infer(images, *more, cache=os.environ["FCNKIT_CACHE"]):
        command = [sys.executable, "-m", "fcnkit", "infer", *map(str, images), "--net", deploy,
                   "--weights", weights, "--mean", "104,117,123", "--force",
                   "--output", os.path.join(folder, "masks"), *more]  # fmt: skip
        began = time.perf_counter()
        subprocess.run(command, env={**env, "FCNKIT_CACHE": cache}, check=True,
                       capture_output=True)  # fmt: skip
        return time.perf_counter() - began

    infer([source / "000.jpg"])
    before = bare()
    for _ in range(3):
        used = processors_of_children()
        took, used = infer([source]), processors_of_children() - used
        after = bare()
        one, busy = (args.images * (a + b) / 2 for a, b in zip(before, after))
        before = after
        print(f"fcn_alexnet 500x375, {args.images} bare passes {one:6.2f} s, infer {took:6.2f} s: "
              f"{took / one:.2f}; processor time {used / busy:.2f}")  # fmt: skip
    first = {"engine": [], "first time": [], "later": []}
    for _ in range(max(3, args.rounds // 2)):
        first["engine"].append(infer([source / "000.jpg"], "--runtime", "torch"))
        first["first time"].append(infer([source / "000.jpg"], cache=""))
        first["later"].append(infer([source / "000.jpg"]))
    for way, took in first.items():
        print(f"  first mask of a cold process, {way:10} {statistics.median(took):5.2f} s")


def processors_of_children():
    """Seconds of processor time of the processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
