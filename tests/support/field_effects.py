"""What a field of a prototxt changes: nets and solvers observed with and without it.

A bench is a net around one layer; a field's text goes into the layer's parameters, and what can be
seen of the net then (shapes, values, gradients, parameters, log, files) is compared. Texts may name
files of `make_files`, as `@/name`.
"""

import collections
import logging
import os
import re

import h5py
import numpy as np
from google.protobuf import text_format
from PIL import Image

import torchcaffe
from caffeformat import LmdbWriter, array_to_datum, encoded_datum, parse_text, pb, write_blob
from caffeformat.messages import param_name_dict

Bench = collections.namedtuple("Bench", "inputs base fields tops phase", defaults=(1, "TEST"))
Bench.__doc__ = """A layer under test: its bottoms ("2x3" shapes; "2<4": indices below 4; "2+":
positive values), the text of its parameters (`param_name { ... }` goes around it), for each field
the text that sets it (a pair, where that is refused, with what the error says), how many tops, and
the phase. A field's text may begin with `-name` of fields of the base that it takes out."""

_PYTHON_LAYERS = """
import caffe


class Times(caffe.Layer):
    factor = 2.0

    def setup(self, bottom, top):
        self.shift = float(self.param_str or 0)

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.factor * bottom[0].data + self.shift

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = self.factor * top[0].diff


class Thrice(Times):
    factor = 3.0
"""


def make_files(folder):
    """Fill `folder` with the files that benches name."""
    random = np.random.RandomState(0)
    pixels = random.randint(0, 256, (6, 3, 6, 8)).astype(np.uint8)
    for name, wanted in (("images", pixels), ("other_images", pixels[::-1])):
        (folder / name).mkdir()
        for number, image in enumerate(wanted):
            Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{name}/{number}.png")
    for name, places in (("list", range(6)), ("other_list", (3, 1))):
        lines = [f"{folder}/images/{i}.png {i}\n" for i in places]
        (folder / f"{name}.txt").write_text("".join(lines))
    (folder / "bare_list.txt").write_text("0.png 1\n1.png 2\n")
    make_pairs(folder, pixels)
    for name, wanted in (("db", pixels), ("other_db", pixels[::-1])):
        with LmdbWriter(folder / name) as writer:
            for number, image in enumerate(wanted):
                datum = array_to_datum(image, number)
                writer.put(b"%d" % number, datum.SerializeToString())
    with LmdbWriter(folder / "encoded_db") as writer:
        datum = encoded_datum((folder / "images/0.png").read_bytes())
        writer.put(b"0", datum.SerializeToString())
    with LmdbWriter(folder / "grey_db") as writer:
        Image.open(folder / "images/0.png").convert("L").save(folder / "grey.png")
        writer.put(b"0", encoded_datum((folder / "grey.png").read_bytes()).SerializeToString())
    write_blob(folder / "mean.binaryproto", random.rand(1, 3, 6, 8).astype(np.float32) * 99)
    for name in ("gains", "other_gains"):
        write_blob(folder / f"{name}.binaryproto", random.rand(1, 1, 3, 3).astype(np.float32))
    for name in ("rows", "other_rows"):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["t0"] = random.rand(7, 2).astype(np.float32)
        (folder / f"{name}.txt").write_text(f"{folder}/{name}.h5\n")
    boxes = "".join(
        f"{number % 2 + 1} {0.2 + 0.15 * number:.2f} {number} 1 {number + 3} 4\n"
        for number in range(5)
    )
    for name, path in (("windows", f"{folder}/images/0.png"), ("bare_windows", "0.png")):
        (folder / f"{name}.txt").write_text(f"# 0\n{path}\n3\n6\n8\n5\n{boxes}")
    (folder / "other_windows.txt").write_text(f"# 0\n{folder}/images/1.png\n3\n6\n8\n5\n{boxes}")
    for name in ("field_layers", "other_field_layers"):
        code = _PYTHON_LAYERS if name == "field_layers" else _PYTHON_LAYERS.replace("2.0", "5.0")
        (folder / f"{name}.py").write_text(code)


def make_pairs(folder, pixels):
    """Lists of images and label images, and the same names in a folder `other`."""
    for root, turn in ((folder, 1), (folder / "other", -1)):
        for name in ("images", "labels"):
            (root / name).mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(pixels[::turn]):
            Image.fromarray(image.transpose(1, 2, 0)).save(root / f"images/{number}.png")
            Image.fromarray(image[0] % 3).save(root / f"labels/{number}.png")
    for name, places in (("pairs", range(6)), ("other_pairs", (3, 1))):
        lines = [f"{folder}/images/{i}.png {folder}/labels/{i}.png\n" for i in places]
        (folder / f"{name}.txt").write_text("".join(lines))
    (folder / "bare_pairs.txt").write_text("images/0.png labels/0.png\n")


def bench_net(layer_type, bench, folder, text=""):
    """The NetParameter of a bench, with a field's `text` in the layer's parameters."""
    net = pb.NetParameter(name="bench", force_backward=True)
    names = [f"b{number}" for number in range(len(bench.inputs))]
    for name, shape in zip(names, bench.inputs):
        dims = [int(dim) for dim in re.split("[<+]", shape)[0].split("x")]
        net.layer.add(name=name, type="Input", top=[name]).input_param.shape.add(dim=dims)
    tops = [f"t{number}" for number in range(bench.tops)]
    layer = net.layer.add(name="it", type=layer_type, bottom=names, top=tops)
    if layer_type == "WindowData":
        layer.transform_param.crop_size = 4
    own = param_name_dict().get(layer_type)
    if own is None:
        assert not bench.base and not text
        return net
    param = getattr(layer, f"{own}_param")
    param.SetInParent()
    merge(param, bench.base, folder)
    merge(param, text, folder)
    return net


def merge(message, text, folder):
    """Set what `text` says in `message`; `-name` at its beginning clears a field first."""
    while text.startswith("-"):
        name, _, text = text[1:].partition(" ")
        message.ClearField(name)
    text_format.Merge(text.replace("@", str(folder)), message)


def observe_net(message, phase, folder, bench=None, **options):
    """All that can be seen of three passes through a net: {key: array, list or text}."""
    torchcaffe.set_random_seed(1)
    lines, before = _Lines(), set(os.listdir(folder))
    with lines:
        net = torchcaffe.Net(net_param=message, phase=getattr(torchcaffe, phase), **options)
        found = {"name": net.name, "layers": list(net.layer_dict), "outputs": list(net.outputs)}
        for name, blobs in net.params.items():
            for index, blob in enumerate(blobs):
                found[f"start:{name}:{index}"] = blob.data.copy()
                blob.data[...] += 0.3 + 0.1 * np.arange(blob.count).reshape(blob.shape) % 0.7
        shapes = dict(zip(net.inputs, bench.inputs)) if bench else {}
        for name in net.inputs:
            net.blobs[name].data[...] = _values(name, net.blobs[name].shape, shapes.get(name, ""))
        memory = [layer for layer in message.layer if layer.type == "MemoryData"]
        if memory:
            shape = net.blobs[memory[0].top[0]].shape
            net.set_input_arrays(np.ones(shape, np.float32), np.ones(shape[0], np.float32))
        for turn in range(3):
            for name in net.inputs if turn else ():
                net.blobs[name].data[...] = np.roll(net.blobs[name].data, turn)
            net.forward()
            found[f"loss:{turn}"] = float(net.loss())
            for name, blob in net.blobs.items():
                found[f"data:{name}:{turn}"] = blob.data.copy()
        for name in net.outputs:
            blob = net.blobs[name]
            if not net.blob_loss_weights[name]:
                blob.diff[...] = _values(name, blob.shape, "")
        net.backward()
    for name, blob in net.blobs.items():
        found[f"diff:{name}"] = blob.diff.copy()
    for name, blobs in net.params.items():
        for index, blob in enumerate(blobs):
            found[f"param:{name}:{index}"] = blob.data.copy()
            found[f"paramdiff:{name}:{index}"] = blob.diff.copy()
    found["lr_mult"] = [param.lr_mult for param in net.learnable_params]
    found["decay_mult"] = [param.decay_mult for param in net.learnable_params]
    found["log"] = lines.text
    found["files"] = sorted(set(os.listdir(folder)) - before)
    for name in found["files"]:
        os.unlink(folder / name)
    return found


def _values(name, shape, kind):
    random = np.random.RandomState(sum(name.encode()))
    values = random.standard_normal(shape)
    if "<" in kind:
        return np.floor(random.rand(*shape) * int(kind.rpartition("<")[2]))
    return np.abs(values) + 0.1 if kind.endswith("+") else values


def observe_solver(message, folder, resume=None):
    """All that can be seen of a whole training: losses and log, files, weights, history."""
    lines = _Lines()
    torchcaffe.set_random_seed(1)
    before = set(os.listdir(folder))
    with lines:
        solver = torchcaffe.solvers.solver.Solver(param=message)
        solver.solve(resume)
    found = {"log": lines.text, "iter": solver.iter}
    for param in solver.net.learnable_params:
        found[f"param:{param.layer_name}:{param.index}"] = param.blob.data.copy()
    found["history"] = [tensor.cpu().numpy().copy() for tensor in solver.optimizer.history]
    made = sorted(set(os.listdir(folder)) - before)
    found["files"] = [(name, os.path.getsize(folder / name)) for name in made]
    for name in made:
        os.unlink(folder / name)
    return found


class _Lines(logging.Handler):
    """Collects what the engine logs, without how long things took."""

    def __init__(self):
        super().__init__()
        self.text = ""

    def emit(self, record):
        line = re.sub(r"\([\d.e+-]+ iter/s, [\d.e+-]+s/", "(", record.getMessage())
        self.text += line + "\n"

    def __enter__(self):
        self._level = torchcaffe.log.logger.level
        torchcaffe.log.logger.addHandler(self)
        torchcaffe.log.logger.setLevel(logging.INFO)

    def __exit__(self, *_):
        torchcaffe.log.logger.removeHandler(self)
        torchcaffe.log.logger.setLevel(self._level)


def same(one, other):
    """Whether two observations show no difference but rounding, which a GPU does as it comes."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        if one.shape != other.shape or one.dtype.kind != "f":
            return one.shape == other.shape and np.array_equal(one, other)
        bound = 1e-6 * np.abs(np.nan_to_num(one)).max(initial=0)
        return np.allclose(one, other, rtol=0, atol=bound, equal_nan=True)
    return one == other


def net_of(text, folder):
    """A NetParameter from text."""
    return parse_text(text.replace("@", str(folder)), pb.NetParameter)
