"""Forward and backward passes of a net: pycaffe's calls, on top of `execution.Step`."""

import numpy as np
import torch

from caffeformat import InputError

from .debug_info import DebugInfo
from .fusion import fuse


class Passes:
    """The part of `Net` that runs, once `_steps`, `blobs` and the lists of names are there."""

    def _prepare_passes(self):
        self._pairs, self._plans, self._callback_lists = fuse(self._steps), {}, {}
        self._loss_tops = [
            blob
            for step in self._steps
            for blob, weight in zip(step.tops, step.loss_weights)
            if weight
        ]
        if self.message.debug_info:
            DebugInfo(self)

    def forward(self, blobs=None, start=None, end=None, keep_blobs=True, **kwargs):
        """Compute the net's outputs.

        `kwargs` are arrays for the inputs, all of them or none. `blobs` names more blobs to return,
        `start` and `end` the first and last layer to run. Returns name -> live array of the outputs
        (of the tops of `end` where it is given) and of `blobs`.

        With `keep_blobs=False`, beyond pycaffe, only what is returned is kept: every other blob is
        freed once no later layer needs it, and no backward pass can follow.
        """
        if kwargs:
            self._set_inputs(kwargs)
        first = 0 if start is None else self._layer_index(start)
        last = len(self._steps) - 1 if end is None else self._layer_index(end)
        names = list(self.outputs if end is None else self._steps[last].top_names)
        names += [name for name in blobs or () if name not in names]
        if keep_blobs:
            self.run_forward(first, last)
            return {name: self._blob(name).data for name in names}
        if first:
            raise InputError("keep_blobs=False needs the whole net from its first layer: no start.")
        return self._forward_lean(names, last)

    def run_forward(self, first=0, last=None):
        """Run layers `first` to `last` (indices) forward."""
        for index, step in self._plan(first, len(self._steps) - 1 if last is None else last):
            for callback in self._callbacks("before_forward"):
                callback(index)
            step.forward()
            for callback in self._callbacks("after_forward"):
                callback(index)

    def _plan(self, first, last):
        """(index, what runs) for the layers `first` to `last`: their Steps, some of them fused."""
        if any(self._callback_lists.values()):  # callbacks are told of every layer
            return list(enumerate(self._steps[first : last + 1], first))
        if (first, last) not in self._plans:
            plan, index = [], first
            while index <= last:
                pair = self._pairs.get(index) if index < last else None
                plan.append((index, pair or self._steps[index]))
                index += 2 if pair else 1
            self._plans[first, last] = plan
        return self._plans[first, last]

    def backward(self, diffs=None, start=None, end=None, **kwargs):
        """Compute the gradients, from layer `start` (the last) back to layer `end` (the first).

        `kwargs` are arrays for the diffs of outputs (of the tops of `start` where it is given).
        Returns name -> live diff array of the inputs (of the bottoms of `end` where it is given)
        and of the blobs that `diffs` names. Parameters' diffs add up until `clear_param_diffs`.
        """
        first = len(self._steps) - 1 if start is None else self._layer_index(start)
        last = 0 if end is None else self._layer_index(end)
        if kwargs:
            tops = self.outputs if start is None else self._steps[first].top_names
            if set(kwargs) != set(tops):
                raise InputError(
                    f"backward was given diffs of {sorted(kwargs)}; expected {sorted(tops)}."
                )
            for name, diff in kwargs.items():
                self._assign(name, self.blobs[name].diff, diff)
        self.run_backward(first, last)
        names = list(self.inputs if end is None else self._steps[last].bottom_names)
        names += [name for name in diffs or () if name not in names]
        return {name: self._blob(name).diff for name in names}

    def run_backward(self, first=None, last=0):
        """Run layers `first` (the last one) down to `last` (indices) backward."""
        first = len(self._steps) - 1 if first is None else first
        for index, step in reversed(self._plan(last, first)):
            for callback in self._callbacks("before_backward"):
                callback(index)
            if step.needs_backward:
                step.backward()
            for callback in self._callbacks("after_backward"):
                callback(index)

    def loss(self):
        """The weighted sum of all losses of the last forward pass, as a tensor."""
        return sum((blob.tensor() * blob.gradient()).sum() for blob in self._loss_tops)

    def first_not_finite(self):
        """(layer name, blob name) of the first top with a NaN or infinity in it, or None."""
        for step in self._steps:
            for name, blob in zip(step.top_names, step.tops):
                if not bool(torch.isfinite(blob.tensor()).all()):
                    return step.layer.name, name
        return None

    def clear_param_diffs(self):
        """Set the gradients of all parameters to zero."""
        for param in self.learnable_params:
            param.blob.clear_diff()

    # batches, as in pycaffe

    def forward_all(self, blobs=None, **kwargs):
        """Run any number of inputs through the net in batches; returns name -> whole array."""
        collected = {name: [] for name in [*self.outputs, *(blobs or ())]}
        for batch in self._batch(kwargs):
            for name, value in self.forward(blobs=blobs, **batch).items():
                collected[name].extend(value.copy())
        return self._without_padding(collected, kwargs)

    def forward_backward_all(self, blobs=None, diffs=None, **kwargs):
        """As `forward_all`, with a backward pass a batch; returns outputs and diffs.

        `kwargs` hold the inputs and, under the outputs' names, the outputs' diffs.
        """
        values = {name: [] for name in [*self.outputs, *(blobs or ())]}
        gradients = {name: [] for name in [*self.inputs, *(diffs or ())]}
        given = {name: kwargs[name] for name in self.inputs if name in kwargs}
        top_diffs = {name: kwargs[name] for name in self.outputs if name in kwargs}
        backward_batches = self._batch(top_diffs) if top_diffs else iter(dict, None)
        for batch, batch_diffs in zip(self._batch(given), backward_batches):
            for name, value in self.forward(blobs=blobs, **batch).items():
                values[name].extend(value.copy())
            for name, value in self.backward(diffs=diffs, **batch_diffs).items():
                gradients[name].extend(value.copy())
        return self._without_padding(values, given), self._without_padding(gradients, given)

    def _batch(self, arrays):
        """Dicts of batch-sized arrays, the last one padded with zeros."""
        total = len(next(iter(arrays.values())))
        size = self.blobs[next(iter(arrays))].shape[0]
        for begin in range(0, total, size):
            batch = {}
            for name, values in arrays.items():
                part = np.asarray(values[begin : begin + size], np.float32)
                padding = [(0, size - len(part))] + [(0, 0)] * (part.ndim - 1)
                batch[name] = np.pad(part, padding) if len(part) < size else part
            yield batch

    @staticmethod
    def _without_padding(collected, arrays):
        total = len(next(iter(arrays.values())))
        return {name: np.asarray(values)[:total] for name, values in collected.items()}

    # callbacks, as in pycaffe: each is called with the layer's index

    def before_forward(self, callback):
        """Call `callback(layer index)` before each layer's forward."""
        self._callbacks("before_forward").append(callback)

    def after_forward(self, callback):
        """Call `callback(layer index)` after each layer's forward."""
        self._callbacks("after_forward").append(callback)

    def before_backward(self, callback):
        """Call `callback(layer index)` before each layer's backward."""
        self._callbacks("before_backward").append(callback)

    def after_backward(self, callback):
        """Call `callback(layer index)` after each layer's backward."""
        self._callbacks("after_backward").append(callback)

    def _callbacks(self, when):
        return self._callback_lists.setdefault(when, [])

    # names and arrays

    def _layer_index(self, name):
        if name not in self._layer_names:
            raise InputError(f'there is no layer "{name}" in the net "{self.name}".')
        return self._layer_names.index(name)

    def _blob(self, name):
        if name not in self.blobs:
            raise InputError(
                f'there is no blob "{name}" in the net "{self.name}"; it has: '
                f"{', '.join(self.blobs)}."
            )
        return self.blobs[name]

    def _set_inputs(self, arrays):
        if set(arrays) != set(self.inputs):
            raise InputError(
                f"the net's inputs are {', '.join(self.inputs)}; found arrays for "
                f"{', '.join(arrays)}."
            )
        for name, array in arrays.items():
            self._assign(name, self.blobs[name].data, array)

    @staticmethod
    def _assign(name, target, array):
        if np.shape(array) != target.shape:
            raise InputError(
                f'blob "{name}" has shape {target.shape}, but the array given for it has shape '
                f"{np.shape(array)}; reshape the blob first."
            )
        target[...] = array
