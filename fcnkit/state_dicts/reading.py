"""Reads state dicts of other frameworks as NumPy arrays: name -> array, in the file's order.

| file | written by |
| --- | --- |
| `.pth`, `.pt` | `torch.save(model.state_dict())`, in the zip form and in the one before it |
| `.safetensors` | safetensors, as timm publishes its weights |
| `.ckpt` | MindSpore |
| `.params` | MXNet and Gluon |

The format is recognized by the file's content. None of the frameworks is needed, and no code in a
file is run: the pickles inside PyTorch's files are read as plain data.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from caffeformat import FormatError
from caffeformat.messages import map_file

from .formats import mindspore, mxnet, pytorch, safetensors

if TYPE_CHECKING:
    from collections import OrderedDict

    from numpy.typing import NDArray


def read_state_dict(path: str | os.PathLike[str]) -> OrderedDict[str, NDArray[Any]]:
    """Read the tensors of the file at `path`: name -> array, in order and as stored.

    bfloat16 becomes float32. Raises `InputError` where the file is missing, and `FormatError` where
    it is damaged, of another kind, or holds something other than named tensors.
    """
    span = map_file(path, "a state dict")
    head = span.part(0, min(len(span), 16), span.what).raw()
    if head[:2] == b"PK":
        return pytorch.read_zip(path)
    if head[:1] == b"\x80":
        return pytorch.read_legacy(path)
    if head[8:9] == b"{":
        return safetensors.read(span)
    if head[:8] == mxnet.MAGIC:
        return mxnet.read(span)
    if head[:1] == b"\x0a":
        return mindspore.read(span)
    raise FormatError(
        os.fspath(path),
        f"begins with {head[:8]!r}: expected weights as PyTorch (.pth), safetensors, MindSpore "
        "(.ckpt) or MXNet (.params) write them",
    )


def check_safetensors(path: str | os.PathLike[str]) -> None:
    """Raise `FormatError` unless the header at `path` says of every byte which tensor's it is."""
    safetensors.read_header(map_file(path, "tensors"))
