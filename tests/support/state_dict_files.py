"""Files of weights as MindSpore and MXNet write them."""

import struct

import numpy as np

from caffeformat.messages.wire import encode_bytes, encode_key, encode_varint


def mindspore_bytes(tensors):
    """A checkpoint."""
    kinds = {"float32": b"Float32", "int64": b"Int64", "float16": b"Float16"}
    data = b""
    for name, tensor in tensors.items():
        # Large tensors come in several entries of one tag.
        for content in np.array_split(tensor.ravel(), 3) if tensor.size > 9 else [tensor]:
            dims = b"".join(encode_key(1, 0) + encode_varint(n) for n in tensor.shape or (0,))
            message = dims + encode_bytes(2, kinds[tensor.dtype.name])
            message += encode_bytes(3, content.tobytes())
            entry = encode_bytes(1, name.encode()) + encode_bytes(2, message)
            data += encode_bytes(1, entry)
    return data


def mxnet_bytes(tensors, version=0xF993FAC9, prefix="arg:"):
    """A parameter file; `version` None is the oldest layout."""
    kinds = {"float32": 0, "int64": 6, "float16": 2}
    data = struct.pack("<QQQ", 0x112, 0, len(tensors))
    for tensor in tensors.values():
        if version is None:
            data += struct.pack(f"<I{tensor.ndim}I", tensor.ndim, *tensor.shape)
        else:
            data += struct.pack("<I", version)
            data += struct.pack("<i", 0) if version != 0xF993FAC8 else b""
            data += struct.pack(f"<I{tensor.ndim}q", tensor.ndim, *tensor.shape)
        data += struct.pack("<iii", 1, 0, kinds[tensor.dtype.name]) + tensor.tobytes()
    data += struct.pack("<Q", len(tensors))
    for name in tensors:
        data += struct.pack("<Q", len(prefix + name)) + (prefix + name).encode()
    return data
