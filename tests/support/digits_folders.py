"""DIGITS' own files, made by hand as its reference describes them: models, jobs, databases."""

import io
import json
import os
import pickle
import sys
import tarfile
import types
import zipfile

import numpy as np
from PIL import Image
from tiny_segmentation import CLASSES, net_text, sample

from caffeformat import LmdbWriter, Weights, parse_text, pb, write_blob, write_caffemodel

MEAN = (60, 61, 62)  # blue, green, red

# The tiny net, shifted by DIGITS' mean instead of its own first layer: it tells red from green.
_BODY = net_text().split("power_param { shift: -60 scale: 1 } }")[1].replace('"shifted"', '"data"')
_INPUT = 'input: "data" input_shape { dim: 1 dim: 3 dim: 24 dim: 32 }'  # as DIGITS writes it
_DATA = """
layer {{ name: "data" type: "Data" top: "data" include {{ phase: {phase} }}
  transform_param {{ mean_file: "/jobs/20160101-000000-abcd/train_db/mean.binaryproto" }}
  data_param {{ source: "/jobs/20160101-000000-abcd/{db}/features" batch_size: 2 backend: LMDB }} }}
layer {{ name: "label" type: "Data" top: "label" include {{ phase: {phase} }}
  data_param {{ source: "/jobs/20160101-000000-abcd/{db}/labels" batch_size: 2 backend: LMDB }} }}
"""
_SOLVER = """net: "train_val.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 4 momentum: 0.9
snapshot: 2 snapshot_prefix: "snapshot" solver_type: SGD test_interval: 2 test_iter: 1
"""


def write_model(folder, **info):
    """Write the files of a downloaded model into `folder`; `info` changes its info.json."""
    folder = str(folder)
    os.makedirs(folder, exist_ok=True)
    texts = {
        "deploy.prototxt": _INPUT + _without_losses(_BODY),
        "original.prototxt": net_text(),
        "solver.prototxt": _SOLVER,
        "train_val.prototxt": _DATA.format(phase="TRAIN", db="train_db")
        + _DATA.format(phase="TEST", db="val_db")
        + _BODY,
    }
    for name, text in texts.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    write_weights(os.path.join(folder, "snapshot_iter_30.caffemodel"))
    mean = np.empty((1, 3, 24, 32), np.float32)
    mean[:] = np.array(MEAN).reshape(1, 3, 1, 1)
    write_blob(os.path.join(folder, "mean.binaryproto"), mean)
    facts = {
        "name": "tiny",
        "framework": "caffe",
        "deploy file": "deploy.prototxt",
        "train_val file": "train_val.prototxt",
        "solver file": "solver.prototxt",
        "snapshot file": "snapshot_iter_30.caffemodel",
        "mean file": "mean.binaryproto",
        "mean subtraction": "pixel",
        "image dimensions": [24, 32, 3],
        **info,
    }
    with open(os.path.join(folder, "info.json"), "w") as file:
        json.dump({key: value for key, value in facts.items() if value is not None}, file)
    return folder


def write_weights(path):
    """Weights of the tiny net that tell red from green."""
    kernel, scores = np.zeros((8, 3, 3, 3), np.float32), np.zeros((3, 8, 1, 1), np.float32)
    kernel[0, 2, 1, 1] = kernel[1, 1, 1, 1] = 1
    scores[1, 0], scores[2, 1], scores[0, :2] = 1, 1, -1
    blobs = {
        "conv1": [kernel, np.zeros(8, np.float32)],
        "score": [scores, np.array([0.5, 0, 0], np.float32)],
    }
    name = parse_text(net_text(), pb.NetParameter).name
    types_ = dict.fromkeys(blobs, "Convolution")
    write_caffemodel(path, Weights(blobs, name=name, types=types_))


def pack(folder, path):
    """The files in `folder` as the archive `path`, its kind by its name."""
    names = sorted(os.listdir(folder))
    if str(path).endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.write(os.path.join(folder, name), name)
    else:
        mode = {".gz": "w:gz", ".bz2": "w:bz2"}.get(os.path.splitext(path)[1], "w")
        with tarfile.open(path, mode) as archive:
            for name in names:
                archive.add(os.path.join(folder, name), name)
    return str(path)


def write_job(folder, class_name="GenericImageDatasetJob", protocol=0, **attributes):
    """Write `status.pickle` of a job with these attributes, as DIGITS' own classes pickle it."""
    made = _digits_class("digits.dataset", class_name)()
    made.__dict__.update(attributes)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "status.pickle"), "wb") as file:
        file.write(_pickled(made, protocol))
    return str(folder)


def train_task(**attributes):
    """A training task for a job's `tasks`."""
    task = _digits_class("digits.model.tasks", "CaffeTrainTask")()
    task.__dict__.update(attributes)
    return task


def write_dataset_job(folder, encoding="png", counts=None):
    """The databases of a DIGITS dataset job: no manifest, no names of images; returns the pairs.

    `encoding` is "png", "jpeg" or "raw". The returned dict holds, for each split, a list of
    (image H x W x 3 uint8 RGB, label H x W uint8).
    """
    random, pairs = np.random.RandomState(1), {}
    for split, count in (counts or {"train": 4, "val": 2}).items():
        place = os.path.join(folder, f"{split}_db")
        os.makedirs(place)
        pairs[split] = [sample(random) for _ in range(count)]
        with (
            LmdbWriter(os.path.join(place, "features")) as features,
            LmdbWriter(os.path.join(place, "labels")) as labels,
        ):
            for number, (image, label) in enumerate(pairs[split]):
                key = b"%09d" % number
                features.put(key, _datum(image, encoding))
                labels.put(key, _datum(label, "raw" if encoding == "raw" else "png"))
        mean = np.array(MEAN, np.float32).reshape(1, 3, 1, 1)
        write_blob(os.path.join(place, "mean.binaryproto"), np.tile(mean, (1, 1, 24, 32)))
    userdata = {
        "class_labels": CLASSES,
        "color_palette": [0, 0, 0, 255, 0, 0, 0, 255, 0] + [0] * 759,
    }
    write_job(folder, extension_id="fcn-voc-segmentation", extension_userdata=userdata)
    return pairs


def _datum(array, encoding):
    """A serialized Datum: encoded images are RGB files, raw ones B, G, R planes."""
    planes = array.transpose(2, 0, 1)[::-1] if array.ndim == 3 else array[None]
    datum = pb.Datum(channels=planes.shape[0], height=array.shape[0], width=array.shape[1])
    if encoding == "raw":
        datum.data = planes.tobytes()
    else:
        buffer = io.BytesIO()
        options = {"quality": 90} if encoding == "jpeg" else {}
        Image.fromarray(array).save(buffer, format=encoding, **options)
        datum.data, datum.encoded = buffer.getvalue(), True
    return datum.SerializeToString()


def _without_losses(text):
    blocks = text.split("\nlayer ")
    return "\nlayer ".join(b for b in blocks if '"loss"' not in b and '"accuracy"' not in b)


def _digits_class(module, name):
    """A class that pickles as `module.name` of DIGITS, which is not there."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        parent = ".".join(parts[:end])
        _MODULES.setdefault(parent, types.ModuleType(parent))
    holder = _MODULES[module]
    if not hasattr(holder, name):
        setattr(holder, name, type(name, (), {"__module__": module}))
    return getattr(holder, name)


_MODULES = {}


def _pickled(value, protocol):
    before = {name: sys.modules.get(name) for name in _MODULES}
    sys.modules.update(_MODULES)
    try:
        return pickle.dumps(value, protocol)
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
