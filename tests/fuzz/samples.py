"""Small files of every kind that is read, for the fuzzer to change."""

import io
import json
import pickle
import struct
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
RANDOM = np.random.RandomState(0)
PHOTO = RANDOM.randint(0, 256, (12, 16, 3)).astype(np.uint8)
LABEL = RANDOM.randint(0, 3, (12, 16)).astype(np.uint8)


class Sample(NamedTuple):
    """Files below a folder (name -> bytes), which of them is changed, and what packs it then."""

    files: dict
    changed: str
    pack: object = bytes


def alone(name, content, pack=bytes):
    """A file on its own."""
    return Sample({name: content}, name, pack)


def golden(*names):
    """Files that BVLC Caffe wrote."""
    return [alone(Path(name).name, (GOLDEN / "files" / name).read_bytes()) for name in names]


def folder_of(path, *changed):
    """The files below a folder, one sample for each that is changed (default: every one)."""
    files = {str(p.relative_to(path)): p.read_bytes() for p in Path(path).rglob("*") if p.is_file()}
    return [Sample(files, name) for name in sorted(changed or files)]


def written(write, *changed):
    """What `write(folder)` writes."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        return folder_of(folder, *changed)


def image(form, array=PHOTO, **options):
    """An array as the bytes of an image file."""
    file = io.BytesIO()
    made = Image.fromarray(array)
    if options.pop("palette", False):
        made = made.convert("P") if made.mode != "L" else made
        made.putpalette(bytes(range(256)) * 3)
    made.save(file, form, **options)
    return file.getvalue()


def bands():
    """Images of five channels of 16 bits, as arrays and TIFFs."""
    import tifffile

    array = RANDOM.randint(0, 65536, (12, 16, 5)).astype(np.uint16)
    found = {name: io.BytesIO() for name in ("a.npy", "a.npz", "a.tif", "z.tif", "b.tif")}
    np.save(found["a.npy"], array)
    np.savez_compressed(found["a.npz"], array)
    form = {"photometric": "minisblack", "planarconfig": "contig"}
    tifffile.imwrite(found["a.tif"], array, **form)
    tifffile.imwrite(found["z.tif"], array, **form, compression="zlib", tile=(16, 16))
    tifffile.imwrite(found["b.tif"], array, **form, bigtiff=True)
    return [alone(name, file.getvalue()) for name, file in found.items()]


def images():
    """Images of every format and kind of samples."""
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = RANDOM.randint(0, 65536, (12, 16)).astype(np.uint16)
    found = {
        "rgb.png": image("PNG"), "grey.png": image("PNG", LABEL), "deep.png": image("PNG", deep),
        "palette.png": image("PNG", LABEL, palette=True), "photo.jpg": image("JPEG", exif=exif),
        "grey.jpg": image("JPEG", LABEL), "rgb.bmp": image("BMP"), "rgb.gif": image("GIF"),
        "rgb.ppm": image("PPM"), "grey.pgm": image("PPM", LABEL), "rgb.webp": image("WEBP"),
        "raw.tif": image("TIFF"), "lzw.tif": image("TIFF", compression="tiff_lzw"),
        "zip.tif": image("TIFF", compression="tiff_adobe_deflate"), "deep.tif": image("TIFF", deep),
        "float.tif": image("TIFF", deep.astype(np.float32)),
        "ycc.tif": image("TIFF", compression="jpeg"),
    }  # fmt: skip
    for name, array in ("bands.npy", np.zeros((4, 5, 7), np.uint16)), ("grey.npy", LABEL):
        file = io.BytesIO()
        np.save(file, array)
        found[name] = file.getvalue()
    return [alone(name, content) for name, content in found.items()]


def tar(form=tarfile.PAX_FORMAT):
    """An archive with short and long names, a folder, a link and a number of files."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name in ("a/one.txt", "a/" + "long" * 22 + "/" + "x" * 60 + ".txt", "a/straße.txt"):
            info = tarfile.TarInfo(name)
            info.size = 700
            archive.addfile(info, io.BytesIO(bytes(700)))
        for kind, name in (tarfile.DIRTYPE, "b"), (tarfile.SYMTYPE, "link"):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "a"
            archive.addfile(info)
    return file.getvalue()


def zipped(method=zipfile.ZIP_STORED, files=None):
    """A zip of some files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in (files or {"a/one.txt": bytes(700), "b/": b"", "two": b"2"}).items():
            archive.writestr(name, content)
    return file.getvalue()


def scores():
    """A file of scores as `infer --save-scores` writes it."""
    file = io.BytesIO()
    np.savez(file, scores=np.zeros((3, 4, 5), np.float32), blob="score", image="none.jpg")
    return [alone("f_scores.npz", file.getvalue())]


def mat():
    """Labels as four datasets store them, packed and not."""
    from scipy.io import savemat

    found = []
    for name, variables in {
        "sbd.mat": {"GTcls": {"Boundaries": np.zeros((2, 1)), "Segmentation": LABEL}},
        "context.mat": {"LabelMap": LABEL.astype(np.uint16)},
        "nyud.mat": {"segmentation": LABEL},
        "siftflow.mat": {"S": LABEL.astype(np.float64), "names": np.array(["a"], object)},
    }.items():
        for packed in (False, True):
            file = io.BytesIO()
            savemat(file, variables, do_compression=packed)
            found.append(alone(name, file.getvalue()))
    file = io.BytesIO()
    savemat(file, {"segmentation": LABEL}, format="4")
    return [*found, alone("nyud.mat", file.getvalue())]


def hdf5():
    """Weights and data in HDF5."""
    return golden("small_hdf5_iter_3.caffemodel.h5", "small_hdf5_iter_3.solverstate.h5")


def json_file(name, content, **beside):
    """A JSON file, and others beside it."""
    text = json.dumps(content, indent=1).encode()
    return Sample({name: text, **beside}, name)


def coco():
    """Annotations as COCO has them: polygons, run lengths, both kinds of counts."""
    polygons = [[1.5, 2, 9, 2, 9.5, 8, 1, 8], [2, 2, 4, 2, 4, 4]]
    runs = {"size": [12, 16], "counts": [20, 30, 142]}
    packed = {"size": [12, 16], "counts": "d0n0^4"}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 12, "width": 16}],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "cat"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1 + n % 2, "iscrowd": 0, "segmentation": what}
            for n, what in enumerate((polygons, runs, packed))
        ],
    }
    return [json_file("a.json", content)]


def pickles():
    """Pickles of plain data, of all protocols."""
    data = {"a": [1, 2.5, None, True, (1, 2), {3}], "b": "x" * 40, ("k", 1): b"bytes", "d": {}}
    return [alone("status.pickle", pickle.dumps(data, protocol)) for protocol in range(6)]


def torch_files():
    """State dicts as PyTorch saves them; also with the pickle within the zip changed."""
    import torch

    state = {"conv.weight": torch.zeros(2, 3, 1, 1), "bn.running_mean": torch.ones(4).half()}
    found = {}
    for name, new in ("new.pth", True), ("old.pth", False):
        file = io.BytesIO()
        torch.save(state, file, _use_new_zipfile_serialization=new)
        found[name] = file.getvalue()
    with zipfile.ZipFile(io.BytesIO(found["new.pth"])) as archive:
        inner = {name: archive.read(name) for name in archive.namelist()}
    pickled = next(name for name in inner if name.endswith("data.pkl"))

    def pack(content):
        return zipped(files={**inner, pickled: content})

    return [alone(name, data) for name, data in found.items()] + [
        alone("inner.pth", inner[pickled], pack)
    ]


def safetensors(bias="BF16"):
    """A safetensors file; also with nothing but its header changed."""
    end = {"BF16": 28, "F32": 32}[bias]
    header = {
        "__metadata__": {"format": "pt"},
        "conv.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "fc.bias": {"dtype": bias, "shape": [2], "data_offsets": [24, end]},
    }
    text, values = json.dumps(header).encode(), bytes(end)

    def pack(content):
        return struct.pack("<Q", len(content)) + content + values

    return [alone("a.safetensors", pack(text)), alone("a.safetensors", text, pack)]


def mxnet():
    """Parameters as MXNet writes them."""
    data = struct.pack("<QQQ", 0x112, 0, 1) + struct.pack("<IiI2q", 0xF993FAC9, 0, 2, 2, 3)
    data += struct.pack("<iii", 1, 0, 0) + bytes(24)
    return [alone("a.params", data + struct.pack("<QQ", 1, 5) + b"arg:w")]


def mindspore():
    """A checkpoint as MindSpore writes it."""
    from caffeformat.messages.wire import encode_bytes, encode_key, encode_varint

    dims = encode_key(1, 0) + encode_varint(2) + encode_key(1, 0) + encode_varint(3)
    tensor = dims + encode_bytes(2, b"Float32") + encode_bytes(3, bytes(12))  # in two parts
    entry = encode_bytes(1, b"conv.weight") + encode_bytes(2, tensor)
    return [alone("a.ckpt", encode_bytes(1, entry) * 2)]


def onnx():
    """A model of one initializer."""
    from onnx import TensorProto, helper

    weight = helper.make_tensor("w", TensorProto.FLOAT, [2, 3], [0.0] * 6)
    graph = helper.make_graph([], "g", [], [], [weight])
    return [alone("a.onnx", helper.make_model(graph).SerializeToString())]


def onnx_models():
    """Models that segment: of any size, of one size, quantized, of images, with values beside."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.RandomState(0)
    weight = numpy_helper.from_array(random.rand(4, 3, 3, 3).astype(np.float32) - 0.5, "w")
    bias = numpy_helper.from_array(np.ones(4, np.float32), "b")
    conv = helper.make_node("Conv", ["data", "w", "b"], ["conv"], pads=[1, 1, 1, 1], name="conv")

    def packed(nodes, tensors, given, made, **files):
        graph = helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info(*given)],
            [helper.make_tensor_value_info(*made)],
            tensors,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        helper.set_model_props(model, {"fcnkit": '{"classes": ["a", "b", "c", "d"]}'})
        return Sample({"a.onnx": model.SerializeToString(), **files}, "a.onnx")

    kind = TensorProto.FLOAT
    free, fixed = ["batch", 3, "height", "width"], [1, 3, 8, 12]
    relu = helper.make_node("Relu", ["conv"], ["score"])
    pool = helper.make_node("MaxPool", ["conv"], ["pool"], kernel_shape=[2, 2], strides=[2, 2])
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")
    resize = helper.make_node("Resize", ["pool", "", "scales"], ["up"], mode="linear")
    softmax = helper.make_node("Softmax", ["up"], ["score"], axis=1)
    scale = numpy_helper.from_array(np.array(0.1, np.float32), "scale")
    zero = numpy_helper.from_array(np.array(3, np.uint8), "zero")
    quantize = helper.make_node("QuantizeLinear", ["conv", "scale", "zero"], ["q"])
    dequantize = helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["score"])
    cast = helper.make_node("Cast", ["image"], ["float"], to=kind)
    turn = helper.make_node("Transpose", ["float"], ["chw"], perm=[2, 0, 1])
    axes = numpy_helper.from_array(np.array([0], np.int64), "axes")
    batch = helper.make_node("Unsqueeze", ["chw", "axes"], ["data"])
    argmax = helper.make_node("ArgMax", ["conv"], ["class_map"], axis=1, keepdims=0)
    beside = TensorProto(name="w", dims=[4, 3, 3, 3], data_type=kind)
    beside.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "w.bin"), ("offset", "0"), ("length", "432")):
        beside.external_data.add(key=key, value=value)
    scored = ("score", kind, ["batch", 4, "height", "width"])
    return [
        packed([conv, relu], [weight, bias], ("data", kind, free), scored),
        packed([conv, pool, resize, softmax], [weight, bias, scales], ("data", kind, fixed),
               ("score", kind, [1, 4, 8, 12])),
        packed([conv, quantize, dequantize], [weight, bias, scale, zero], ("data", kind, free),
               scored),
        packed([cast, turn, batch, conv, argmax], [weight, bias, axes],
               ("image", TensorProto.UINT8, ["height", "width", 3]),
               ("class_map", TensorProto.INT64, [1, "height", "width"])),
        packed([conv, relu], [beside, bias], ("data", kind, free), scored,
               **{"w.bin": random.rand(108).astype(np.float32).tobytes()}),
    ]  # fmt: skip
