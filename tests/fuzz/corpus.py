"""The real files that the fuzzer changes."""

import functools
from pathlib import Path

import numpy as np

from caffeformat import Weights, read_caffemodel, read_net, write_caffemodel
from caffeformat.messages.schema import fork_messages

_REPO = Path(__file__).resolve().parent.parent.parent
_GOLDEN = _REPO / "tests" / "golden"
# Layers of forks, which the project's own networks use few of
_FORKS = b"""name: "forks"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "bn" type: "BN" bottom: "data" top: "bn"
  bn_param { scale_filler { type: "constant" value: 1 } shift_filler { type: "constant" } } }
layer { name: "pool" type: "Pooling" bottom: "bn" top: "pool" top: "mask"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "bn2" type: "BN" bottom: "pool" top: "pool"
  bn_param { slope_filler { value: 1 } frozen: true } }
layer { name: "up" type: "Upsample" bottom: "pool" bottom: "mask" top: "up"
  upsample_param { scale: 2 upsample_h: 8 upsample_w: 8 } }
layer { name: "norm" type: "Normalize" bottom: "up" top: "norm"
  norm_param { across_spatial: false channel_shared: false scale_filler { value: 20 } } }
layer { name: "permute" type: "Permute" bottom: "norm" top: "permute"
  permute_param { order: 0 order: 2 order: 3 } }
layer { name: "interp" type: "Interp" bottom: "norm" top: "interp"
  interp_param { shrink_factor: 2 zoom_factor: 4 pad_beg: -1 pad_end: 0 } }
"""


@functools.cache
def texts():
    """({name: bytes} of small nets that can be built in no time, {name: bytes} of the networks)."""
    small = {"forks": _FORKS}
    for path in sorted((_GOLDEN / "layers").glob("*.npz")):
        with np.load(path) as case:
            small[path.stem] = str(case["prototxt"]).encode()
    for pattern in ("files/*.prototxt", "training/*/*net*.prototxt"):
        for path in sorted(_GOLDEN.glob(pattern)):
            if "solver" not in path.stem:
                small[f"{path.parent.name}/{path.stem}"] = path.read_bytes()
    networks = {f"{p.parent.name}/{p.stem}": p.read_bytes() for p in _network_files()}
    return small, networks


def _network_files():
    return [p for p in sorted((_REPO / "prototxt").glob("*/*.prototxt")) if "solver" not in p.stem]


def models(folder):
    """[(path, fork or None)] of weights files: BVLC's of all ages, HDF5, of forks and networks.

    What is not there as a file is written into `folder`, networks with two values a blob.
    """
    found = [(path, None) for path in sorted(_GOLDEN.glob("files/*.caffemodel*"))]
    found += [(path, None) for path in sorted(_GOLDEN.glob("training/*/*.caffemodel*"))]
    for text in _network_files():
        net = read_net(text)
        weights = Weights({layer.name: [np.ones(2, np.float32)] for layer in net.layer[:40]})
        path = Path(folder) / f"{text.parent.name}_{text.stem}.caffemodel"
        write_caffemodel(path, weights, net)
        found.append((path, None))
    small = read_caffemodel(found[0][0])
    write_caffemodel(Path(folder) / "small.caffemodel.h5", small)
    found.append((Path(folder) / "small.caffemodel.h5", None))
    for fork in ("nvcaffe", "pspnet", "segnet", "ssd"):
        path = Path(folder) / f"{fork}.caffemodel"
        path.write_bytes(_of_fork(fork).SerializeToString())
        found.append((path, fork))
    return found


def _of_fork(fork):
    net = fork_messages(fork).NetParameter(name=fork)
    for name in ("one", "two"):
        layer = net.layer.add(name=name, type="Convolution", bottom=["x"], top=["y"])
        layer.convolution_param.num_output = 2
        layer.blobs.add(data=[1, 2, 3]).shape.dim.append(3)
    if fork == "nvcaffe":
        blob = net.layer[0].blobs[0]
        blob.raw_data_type, blob.raw_data = 2, bytes(6)
        del blob.data[:]
    elif fork == "ssd":
        net.layer[1].permute_param.order.extend([0, 2, 1])
    else:
        net.layer[1].bn_param.SetInParent()
    return net


def small_net():
    """The NetParameter whose weights the golden files hold, to load mutated ones into."""
    return read_net(_GOLDEN / "files" / "small.prototxt")
