#!/usr/bin/env python3
"""Memory and open files over many images of differing sizes in one process.

    benchmarks/many_images.py [--images 2000] [--runtime auto] [--batch 1] [--onnx]

Every image has a size of its own; they go through `segment_files`, as `infer` runs them. Resident
memory and open descriptors are read after the first 200 images, in between, and at the end. Random
weights; `--onnx` runs the exported model in place of net and weights.
"""

import argparse
import gc
import os
import sys
import tempfile
import time

import numpy as np
from PIL import Image

from caffeformat import parse_text, pb, read_caffemodel, read_net, write_caffemodel, write_text
from fcnkit import engine, runtimes
from fcnkit.images import Preprocessor, voc_palette
from fcnkit.inference import Evaluation, OnnxSegmenter, Segmenter, segment_files

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 64, 64] } } }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1"
  convolution_param { num_output: 8 kernel_size: 5 pad: 20 stride: 4 } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "p1" type: "Pooling" bottom: "c1" top: "p1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "c2" type: "Convolution" bottom: "p1" top: "c2"
  convolution_param { num_output: 16 kernel_size: 3 pad: 1 } }
layer { name: "r2" type: "ReLU" bottom: "c2" top: "c2" }
layer { name: "fr" type: "Convolution" bottom: "c2" top: "fr"
  convolution_param { num_output: 8 kernel_size: 1 } }
layer { name: "up" type: "Deconvolution" bottom: "fr" top: "up"
  convolution_param { num_output: 8 kernel_size: 16 stride: 8 group: 8 bias_term: false } }
layer { name: "score" type: "Crop" bottom: "up" bottom: "data" top: "score"
  crop_param { axis: 2 offset: 18 } }
"""
SETTLED = 200  # images after which memory is to be flat


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--runtime", default="auto", choices=runtimes.RUNTIMES)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--onnx", action="store_true", help="run the exported model")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FCNKIT_CACHE"] = ""
        segmenter = opened(folder, args)
        images = pictures(folder, args.images)
        size = sum(map(os.path.getsize, images.values())) / len(images)
        print(f"{len(images)} images of {size / 1024:.0f} KB on average, each of another size")
        measure(segmenter, images, os.path.join(folder, "out"))


def opened(folder, args):
    """The segmenter, with random weights."""
    net, weights = (os.path.join(folder, name) for name in ("net.prototxt", "w.caffemodel"))
    write_text(net, parse_text(NET, pb.NetParameter))
    random, blobs = np.random.RandomState(0), {}
    for name, params in engine.layer_params(engine.open_net(read_net(net))).items():
        blobs[name] = [0.1 * random.standard_normal(p.data.shape) for p in params]
    write_caffemodel(weights, blobs, read_net(net))
    mean, evaluation = Preprocessor([104, 117, 123]), Evaluation(batch=args.batch)
    if not args.onnx:
        return Segmenter(net, weights, mean, runtime=args.runtime, evaluation=evaluation)
    path = os.path.join(folder, "net.onnx")
    runtimes.write_onnx(path, runtimes.to_onnx(read_net(net), read_caffemodel(weights), ["score"]))
    return OnnxSegmenter(path, mean, evaluation=evaluation)


def pictures(folder, count):
    """Write JPEG files of as many sizes: name -> path."""
    noise = np.random.RandomState(1).randint(0, 256, (900, 900, 3)).astype(np.uint8)
    smooth = np.asarray(
        Image.fromarray(noise[:40, :40]).resize((900, 900), Image.Resampling.BICUBIC)
    )
    pixels = (0.4 * smooth + 0.6 * noise).astype(np.uint8)
    sizes = [(400 + 7 * (n % 29) + n // 29, 300 + 5 * (n % 31)) for n in range(count)]
    order = np.random.RandomState(2).permutation(count)
    paths = {}
    for number, index in enumerate(order):
        width, height = sizes[index]
        paths[f"{number:05}"] = path = os.path.join(folder, f"{number:05}.jpg")
        Image.fromarray(pixels[:height, :width]).save(path, quality=95)
    return paths


def measure(segmenter, images, output):
    """Segment all images and print what the process holds on the way."""
    began, last, settled, before = time.process_time(), 0, 0.0, set()
    step = max(SETTLED, len(images) // 10)
    for number, result in enumerate(segment_files(segmenter, images, output, voc_palette()), 1):
        if result.error:
            sys.exit(f"error: {result.error}")
        for name in os.listdir(output):  # results would only fill the disk
            if name.startswith(result.name):
                os.remove(os.path.join(output, name))
        if number == SETTLED or number % step == 0 or number == len(images):
            now = resident()
            settled, before = settled or now, before or descriptors()
            each = 1e3 * (time.process_time() - began) / (number - last)
            print(f"  after {number:5} images {now:7.1f} MiB  {len(descriptors())} descriptors, "
                  f"{each:.0f} ms of processor time per image")  # fmt: skip
            sys.stdout.flush()
            began, last = time.process_time(), number
    gc.collect()
    print(f"{segmenter.runtime}: {resident() / settled - 1:+.1%} since image {SETTLED}; "
          f"descriptors opened since: {sorted(descriptors() - before) or 'none'}")  # fmt: skip


def resident():
    """Resident memory of this process in MiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def descriptors():
    """What the process has open, without what this looks with."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{number}: {os.readlink(f'/proc/self/fd/{number}')}")
        except OSError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
