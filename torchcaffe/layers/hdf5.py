"""The layers HDF5Data and HDF5Output, which read batches from and write blobs to HDF5 files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError
from caffeformat.files import atomic_path, check_writable
from caffeformat.weights import is_hdf5, open_hdf5, read_dataset

from .base import Layer, Param, Shape, Shapes, Tensors, register
from .data import ROUND, BatchLayer, read_lines

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray


@register("HDF5Data")
class HDF5Data(BatchLayer):
    """Batches from the HDF5 files that `source` lists; each top is the dataset of its name.

    Rows come in order, over and over again; `shuffle` shuffles the files and the rows in each.
    """

    tops = (1, None)

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.hdf5_data_param
        if self.proto.HasField("transform_param"):
            raise self.error(
                "does not transform data, so that its transform_param would have no effect; write "
                "transformed values into the HDF5 files and remove transform_param."
            )
        self.batch_size, self.shuffle = self.require_batch_size(p.batch_size), p.shuffle
        if is_hdf5(p.source):
            raise self.error(
                f'its source "{p.source}" is an HDF5 file; expected a text file that lists HDF5 '
                "files, one per line: write the path into such a file and name that one."
            )
        self.files = read_lines(self, p.source)
        self.seed()
        self.round = 0  # the number of the next one
        self.waiting: list[int] = []
        self.order: list[int] = []
        self.arrays: list[NDArray[np.float32]] = []
        first = self._read(self.files[0])
        self.shapes = [(self.batch_size, *array.shape[1:]) for array in first]
        return []

    def top_shapes(self, shapes: Shapes) -> list[Shape]:
        return self.shapes

    def _read(self, path: str) -> list[NDArray[np.float32]]:
        """Read the datasets of the tops from one file."""
        try:
            with open_hdf5(path) as file:
                missing = [name for name in self.proto.top if name not in file]
                if missing:
                    raise InputError(f'{path} has no dataset "{missing[0]}"')
                arrays = [read_dataset(path, file[name]) for name in self.proto.top]
        except InputError as error:
            raise self.error(f"cannot read its source: {error}") from error
        counts = {len(array) if array.ndim else 0 for array in arrays}
        if len(counts) != 1 or 0 in counts:
            raise self.error(
                f"{path}: the datasets {', '.join(self.proto.top)} must have the same number of "
                "rows, one or more; their shapes are "
                f"{', '.join(str(array.shape) for array in arrays)}."
            )
        return arrays

    def _order(self, count: int) -> list[int]:
        """Make an order of the numbers below `count`, the last to come first."""
        return list(self.random.permutation(count) if self.shuffle else range(count))[::-1]

    def _begin_round(self) -> None:
        self.random = self.draws(ROUND, self.round)
        self.round += 1
        self.waiting = self._order(len(self.files))

    def _next_row(self) -> list[NDArray[np.float32]]:
        """Take the next row of each dataset, going round the files endlessly."""
        if not self.order:
            if not self.waiting:
                self._begin_round()
            self.arrays = self._read(self.files[self.waiting.pop()])
            self.order = self._order(len(self.arrays[0]))
        row = self.order.pop()
        return [array[row] for array in self.arrays]

    def skip(self, batches: int) -> None:
        counts = [len(self._read(path)[0]) for path in self.files]
        rounds, rows = divmod(self.entries_of(batches), sum(counts))
        self.round = rounds
        self._begin_round()
        while rows:
            number = self.waiting.pop()
            self.order = self._order(counts[number])
            if rows < counts[number]:
                self.arrays = self._read(self.files[number])
                del self.order[len(self.order) - rows :]
                break
            rows -= counts[number]
            self.order = []

    def next_batch(self) -> list[NDArray[np.float32]]:
        batch = [self.own_turn(self._next_row) for _ in range(self.batch_size)]
        try:
            return [np.stack(arrays) for arrays in zip(*batch)]
        except ValueError as error:
            raise self.error(f"its files hold rows of different shapes: {error}") from error


@register("HDF5Output")
class HDF5Output(Layer):
    """Appends its two bottoms to the datasets `data` and `label` of the file `file_name`."""

    bottoms = (2, 2)
    tops = (0, 0)
    differentiable = False
    begun = False
    items: list[tuple[int, ...]] | None = None  # shapes without the number of items

    def setup(self, shapes: Shapes) -> list[Param]:
        self.path = self.proto.hdf5_output_param.file_name
        if not self.path:
            raise self.error("needs a file_name.")
        try:
            check_writable(self.path)
        except InputError as error:
            raise self.error(str(error)) from None
        if os.path.exists(self.path) and not is_hdf5(self.path):
            raise self.error(
                f"its file_name {self.path} is there and no HDF5 file, the only ones that are "
                "replaced: choose another name, or move the file away."
            )
        return []

    def top_shapes(self, shapes: Shapes) -> list[Shape]:
        return []

    def check(self, shapes: Shapes) -> None:
        if shapes[0][0] != shapes[1][0]:
            raise self.error(
                f'its bottoms must have the same number of items: "{self.proto.bottom[0]}" is '
                f'{tuple(shapes[0])}, "{self.proto.bottom[1]}" is {tuple(shapes[1])}.'
            )
        items = [tuple(shape[1:]) for shape in shapes]
        if self.begun and items != self.items:
            raise self.error(
                f"its file {self.path} holds items of the shapes {self.items}, but its bottoms now "
                f"have {items}; reshape nets to one size."
            )
        self.items = items

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        import h5py  # needed by nets with this layer only

        try:
            if self.begun:
                with h5py.File(self.path, "a") as file:
                    _append(file, bottoms)
            else:
                # What is there is replaced once the first items are written.
                with atomic_path(self.path) as path, h5py.File(path, "w") as file:
                    _append(file, bottoms)
        except (InputError, OSError, RuntimeError, TypeError, ValueError) as error:
            raise self.error(f"cannot write {self.path}: {error}") from error
        self.begun = True
        return []


def _append(file: h5py.File, bottoms: Tensors) -> None:
    """Append the items of the bottoms to their datasets, which are made if they are missing."""
    for name, tensor in zip(("data", "label"), bottoms):
        values = tensor.detach().cpu().numpy()
        if name not in file:
            shape = (0, *values.shape[1:])
            file.create_dataset(name, shape, "<f4", maxshape=(None, *shape[1:]))
        dataset = file[name]
        dataset.resize(len(dataset) + len(values), axis=0)
        dataset[-len(values) :] = values
