"""Measures BVLC's pycaffe: names and results of its Python API, for tests/golden/pycaffe.

    scripts/bvlc_run.sh .bullseye python3 tests/bvlc/pycaffe_golden.py tests/golden/pycaffe

writes `names.json` (class or module -> its public names), `io.npz` (inputs and results of
`caffe.io`) and `predictions.npz` (Classifier and Detector on a small net whose weights are there).
"""

import inspect
import json
import os
import sys
import types

import caffe
import caffe.coord_map
import caffe.detector
import caffe.io
import caffe.net_spec
import numpy as np
from PIL import Image

NET = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 4 dim: 3 dim: 9 dim: 9 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
SETTINGS = {
    "mean": np.array([3.0, 2.0, 1.0]),
    "input_scale": 0.5,
    "raw_scale": 10,
    "channel_swap": (2, 1, 0),
}


# This scikit-image no longer knows the name under which pycaffe asks for grey.
_imread = caffe.io.skimage.io.imread
caffe.io.skimage.io.imread = lambda path, as_grey: _imread(path, as_gray=as_grey)


def names():
    """{"caffe": [...], "caffe.io": [...], "Net": [...], ...}: what each offers."""
    found = {}
    for module in (caffe, caffe.io, caffe.net_spec, caffe.coord_map):
        found[module.__name__] = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and not isinstance(value, types.ModuleType)
            and (module is caffe or getattr(value, "__module__", "") == module.__name__)
        ]
    classes = [getattr(caffe._caffe, name) for name in ("Blob", "BlobVec", "SolverParameter")]
    classes += [value for value in vars(caffe).values() if inspect.isclass(value)]
    for cls in (*classes, caffe.io.Transformer):
        found[cls.__name__] = [name for name in dir(cls) if not name.startswith("__")]
    return {key: sorted(value) for key, value in sorted(found.items())}


def image(height, width, channels, seed):
    random = np.random.RandomState(seed)
    return random.rand(height, width, channels).astype(np.float32)


def io_results():
    """Inputs under `in:`, results under `out:`."""
    found = {}
    for channels in (1, 3, 5):
        source = found[f"in:{channels}"] = image(11, 14, channels, channels)
        for height, width in ((5, 6), (23, 30), (11, 7), (20, 9)):
            for order in (0, 1, 3):
                found[f"out:{channels}:{height}:{width}:{order}"] = caffe.io.resize_image(
                    source, (height, width), interp_order=order
                )
    found["out:oversample"] = caffe.io.oversample([found["in:3"], found["in:3"] * 2], (6, 9))
    transformer = caffe.io.Transformer({"data": (1, 3, 6, 7)})
    transformer.set_transpose("data", (2, 0, 1))
    for name, mean in (
        ("whole", image(9, 8, 3, 7).transpose(2, 0, 1)),
        ("same", image(6, 7, 3, 8)),
    ):
        mean = mean if name == "whole" else mean.transpose(2, 0, 1)
        transformer.set_mean("data", mean)
        found[f"in:mean_{name}"] = mean
        found[f"out:mean_{name}"] = transformer.preprocess("data", found["in:3"])
    return found


def load_results(folder):
    """Results of load_image on files of several kinds, which are kept as `file:` bytes."""
    found = {}
    colour = (image(4, 5, 3, 1) * 255).astype(np.uint8)
    kinds = {
        "rgb": Image.fromarray(colour),
        "grey": Image.fromarray(colour[:, :, 0]),
        "alpha": Image.fromarray(np.dstack([colour, colour[:, :, :1]])),
    }
    for name, picture in kinds.items():
        path = os.path.join(folder, f"{name}.png")
        picture.save(path)
        with open(path, "rb") as file:
            found[f"file:{name}"] = np.frombuffer(file.read(), np.uint8)
        found[f"out:{name}"] = caffe.io.load_image(path)
        if name != "alpha":
            found[f"out:{name}:grey"] = caffe.io.load_image(path, color=False)
        os.unlink(path)
    return found


def predictions(folder):
    found = {"net": NET}
    net_path, weights = (os.path.join(folder, name) for name in ("net.prototxt", "w.caffemodel"))
    picture = os.path.join(folder, "image.png")
    with open(net_path, "w") as file:
        file.write(NET)
    caffe.set_random_seed(1)
    caffe.Net(net_path, caffe.TEST).save(weights)
    with open(weights, "rb") as file:
        found["weights"] = np.frombuffer(file.read(), np.uint8)
    images = [image(15, 20, 3, 1), image(9, 9, 3, 2), image(30, 12, 3, 3)]
    for number, one in enumerate(images):
        found[f"image:{number}"] = one
    classifier = caffe.Classifier(net_path, weights, image_dims=(12, 14), **SETTINGS)
    found["oversampled"] = classifier.predict(images)
    found["center"] = classifier.predict(images, oversample=False)
    pixels = (image(40, 50, 3, 4) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(picture)
    found["pixels"] = pixels
    found["windows"] = np.array([[0, 0, 20, 25], [5, 10, 40, 50], [30, 3, 36, 44]])
    detector = caffe.Detector(net_path, weights, **SETTINGS)
    detections = detector.detect_windows([(picture, found["windows"])])
    found["detections"] = np.array([one["prediction"] for one in detections])
    for path in (net_path, weights, picture):
        os.unlink(path)
    return found


def main(folder):
    with open(os.path.join(folder, "names.json"), "w") as file:
        json.dump(names(), file, indent=1)
        file.write("\n")
    np.savez_compressed(os.path.join(folder, "io.npz"), **io_results(), **load_results(folder))
    np.savez_compressed(os.path.join(folder, "predictions.npz"), **predictions(folder))


if __name__ == "__main__":
    main(sys.argv[1])
