"""The lists that pycaffe hands out, under the names of its `_caffe`: `BlobVec` and its kin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .blob import Blob

if TYPE_CHECKING:
    import torch


class BlobVec(list[Blob]):
    """A layer's parameters, a list of Blobs on `device` that can grow as in pycaffe."""

    def __init__(self, device: str | torch.device = "cpu") -> None:
        super().__init__()
        self._device = device

    def add_blob(self, *shape: int) -> None:
        """Append a parameter of this shape, all zeros."""
        blob = Blob(shape, self._device)
        blob.tensor()
        self.append(blob)


class RawBlobVec(list[Blob]):
    """The bottoms or tops of a layer."""


class LayerVec(list[Any]):
    """The layers of a net."""


class NetVec(list[Any]):
    """The test nets of a solver."""


class StringVec(list[str]):
    """Names of layers or blobs."""


class IntVec(list[int]):
    """Numbers of blobs."""


class DtypeVec(list[float]):
    """Loss weights of blobs."""


class BoolVec(list[bool]):
    """`propagate_down`: which bottoms need a gradient."""
