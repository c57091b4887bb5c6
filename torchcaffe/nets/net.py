"""`Net`: layers, blobs and parameters wired together, under pycaffe's names."""

from __future__ import annotations

import itertools
import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import (
    InputError,
    Weights,
    filter_net,
    insert_splits,
    pb,
    read_net,
    upgrade_net,
    write_caffemodel,
)
from torchcaffe.core import BlobVec, DtypeVec, IntVec, LayerVec, StringVec, current_device
from torchcaffe.layers import MemoryDataLayer

from .debug_info import DebugInfo
from .lean import forward_lean
from .passes import Collected, Passes, batches, set_diffs, set_inputs
from .weights import fill_blobs, load_weights, params_by_key, share_params
from .wiring import Wiring

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import torch
    from numpy.typing import ArrayLike, NDArray

    from torchcaffe.core import Blob

    from .passes import Callback

    Path = str | os.PathLike[str]
    Arrays = dict[str, NDArray[np.float32]]  # name -> array


class Net:
    """A network built from a prototxt.

        Net("deploy.prototxt", TEST)
        Net("deploy.prototxt", "weights.caffemodel", TEST)
        Net("train_val.prototxt", TRAIN, level=0, stages=["fine"], weights="start.caffemodel")
        Net("train_val.prototxt", TRAIN, 0, ["fine"], "start.caffemodel")
        Net(net_param=message, phase=TEST)

    `weights` may also be a `Weights` mapping. Attributes as in pycaffe: `blobs`, `params` (ordered,
    name -> Blob and layer name -> list of Blobs), `layers`, `layer_dict`, `inputs`, `outputs`,
    `top_names`, `bottom_names`, `blob_loss_weights`, `name`. Beyond pycaffe: `phase`, `device`,
    `message` (the NetParameter as it runs), `steps` (a Step per layer), `learnable_params` (a
    LearnableParam per parameter that is not another layer's) and `training` (TrainingPasses, for
    solvers).

    Raises `InputError`, which names the layer, for files and layers that do not make a net.
    """

    def __init__(
        self,
        network_file: Path | None = None,
        *args: Any,  # in one of pycaffe's two orders
        phase: int | None = None,
        level: int | None = 0,
        stages: Iterable[str] | None = (),
        weights: Path | Weights | None = None,
        net_param: pb.NetParameter | None = None,
    ) -> None:
        if args and not isinstance(args[0], int):
            weights, *rest = args
        else:
            rest = list(args)
        given = dict(zip(("phase", "level", "stages", "weights"), rest))
        phase, level = given.get("phase", phase), given.get("level", level)
        stages, weights = given.get("stages", stages), given.get("weights", weights)
        if phase is None:
            raise InputError("a Net needs its phase: TRAIN or TEST.")
        if not isinstance(level, (int, type(None))):
            raise InputError(
                f"a Net's level is a number, found {level!r}; pass weights before the phase, or by "
                "name: weights=..."
            )
        if net_param is not None:
            message = pb.NetParameter()
            message.CopyFrom(net_param)
            upgrade_net(message)
        elif network_file is not None:
            message = read_net(network_file)
        else:
            raise InputError("a Net needs a prototxt: the path of one, or net_param.")
        message = filter_net(message, phase, level or 0, list(stages or ()))
        self.message = insert_splits(message)
        self.name, self.phase = message.name, phase
        self.device = current_device()
        wiring = Wiring(self.message, phase, self.device)
        self.steps, self.blobs, self.params = wiring.steps, wiring.blobs, wiring.params
        self.inputs, self.outputs = wiring.inputs, wiring.outputs
        self.learnable_params, self.layer_dict = wiring.learnable, wiring.layers
        self.layers = LayerVec(step.layer.public for step in self.steps)
        self._layer_names = StringVec(step.layer.name for step in self.steps)
        self._blob_names, self._blobs = StringVec(self.blobs), BlobVec(self.device)
        self._blobs.extend(self.blobs.values())
        self._inputs, self._outputs = self._numbers(self.inputs), self._numbers(self.outputs)
        self._blob_loss_weights = DtypeVec(self.blob_loss_weights.values())
        self._passes = Passes(self.steps)
        self.training = self._passes.training
        if self.message.debug_info:
            self.log_debug_info()
        loaded = set() if weights is None else load_weights(self.steps, weights, self.name)
        fill_blobs(wiring.fills, loaded)

    # names

    @property
    def blob_loss_weights(self) -> OrderedDict[str, float]:
        """Blob name -> its loss weight, 0 for all that are not a loss."""
        weights = OrderedDict.fromkeys(self.blobs, 0.0)
        for step in self.steps:
            weights.update(zip(step.top_names, step.loss_weights))
        return weights

    @property
    def top_names(self) -> OrderedDict[str, list[str]]:
        """Layer name -> names of its tops."""
        return OrderedDict((step.layer.name, list(step.top_names)) for step in self.steps)

    @property
    def bottom_names(self) -> OrderedDict[str, list[str]]:
        """Layer name -> names of its bottoms."""
        return OrderedDict((step.layer.name, list(step.bottom_names)) for step in self.steps)

    # passes

    def forward(
        self,
        blobs: Iterable[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        keep_blobs: bool = True,
        **kwargs: ArrayLike,
    ) -> Arrays:
        """Compute the net's outputs.

        `kwargs` are arrays for the inputs, all of them or none. `blobs` names more blobs to return,
        `start` and `end` the first and last layer to run. Returns name -> live array of the outputs
        (of the tops of `end` if it is given) and of `blobs`.

        With `keep_blobs=False`, beyond pycaffe, only what is returned is kept: every other blob is
        freed once no later layer needs it, and no backward pass can follow.

        Raises `InputError` for names that the net does not have and arrays of other shapes.
        """
        if kwargs:
            set_inputs(self.blobs, self.inputs, kwargs)
        first = 0 if start is None else self._layer_index(start)
        last = len(self.steps) - 1 if end is None else self._layer_index(end)
        names = list(self.outputs if end is None else self.steps[last].top_names)
        names += [name for name in blobs or () if name not in names]
        if keep_blobs:
            self._passes.forward(first, last)
            return {name: self._blob(name).data for name in names}
        if first:
            raise InputError("keep_blobs=False runs the net from its first layer; leave start out.")
        with self._passes.at_once.lean():
            return forward_lean(self.steps[: last + 1], names)

    def backward(
        self,
        diffs: Iterable[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **kwargs: ArrayLike,
    ) -> Arrays:
        """Compute the gradients, from layer `start` (the last) back to layer `end` (the first).

        `kwargs` are arrays for the diffs of outputs (of the tops of `start` if it is given). Layers
        that no forward pass has run yet use what their bottoms hold now.
        Returns name -> live diff array of the inputs (of the bottoms of `end` if it is given) and
        of the blobs that `diffs` names. Parameters' diffs add up until `clear_param_diffs`.

        Raises `InputError` for names that the net does not have and arrays of other shapes.
        """
        first = len(self.steps) - 1 if start is None else self._layer_index(start)
        last = 0 if end is None else self._layer_index(end)
        if kwargs:
            tops = self.outputs if start is None else self.steps[first].top_names
            set_diffs(self.blobs, tops, kwargs)
        self._passes.backward(first, last)
        names = list(self.inputs if end is None else self.steps[last].bottom_names)
        names += [name for name in diffs or () if name not in names]
        return {name: self._blob(name).diff for name in names}

    def run_forward(self, first: int = 0, last: int | None = None) -> None:
        """Run layers `first` to `last` (indices) forward."""
        self._passes.forward(first, last)

    def run_backward(self, first: int | None = None, last: int = 0) -> None:
        """Run layers `first` (the last one) back to `last` (indices)."""
        self._passes.backward(first, last)

    def loss(self) -> torch.Tensor | int:
        """The weighted sum of all losses of the last forward pass; 0 if the net has none."""
        return self._passes.loss()

    def first_not_finite(self) -> tuple[str, str] | None:
        """(layer name, blob name) of the first top with a NaN or infinity in it, or None."""
        return self._passes.first_not_finite()

    def clear_param_diffs(self) -> None:
        """Set the gradients of all parameters to zero."""
        self.training.expire()
        for param in self.learnable_params:
            param.blob.clear_diff()

    def forward_all(self, blobs: Sequence[str] | None = None, **kwargs: NDArray[Any]) -> Arrays:
        """Run any number of inputs through the net in batches; returns name -> whole array."""
        values = Collected([*self.outputs, *(blobs or ())])
        for batch in self._batch(kwargs):
            set_inputs(self.blobs, self.inputs, batch)
            values.add(self.forward(blobs))
        return values.joined(kwargs)

    def forward_backward_all(
        self,
        blobs: Sequence[str] | None = None,
        diffs: Sequence[str] | None = None,
        **kwargs: NDArray[Any],
    ) -> tuple[Arrays, Arrays]:
        """As `forward_all`, with a backward pass per batch; returns outputs and diffs.

        `kwargs` hold the inputs and, under the outputs' names, the outputs' diffs.
        """
        values = Collected([*self.outputs, *(blobs or ())])
        gradients = Collected([*self.inputs, *(diffs or ())])
        given = {name: kwargs[name] for name in self.inputs if name in kwargs}
        top_diffs = {name: kwargs[name] for name in self.outputs if name in kwargs}
        backward_batches = self._batch(top_diffs) if top_diffs else itertools.repeat({})
        for batch, batch_diffs in zip(self._batch(given), backward_batches):
            set_inputs(self.blobs, self.inputs, batch)
            values.add(self.forward(blobs))
            if top_diffs:
                set_diffs(self.blobs, self.outputs, batch_diffs)
            gradients.add(self.backward(diffs))
        return values.joined(given), gradients.joined(given)

    def _batch(self, arrays: dict[str, NDArray[Any]]) -> Iterator[Arrays]:
        return batches(arrays, self.blobs[next(iter(arrays))].shape[0])

    def before_forward(self, callback: Callback) -> None:
        """Call `callback(layer index)` before each layer's forward."""
        self._passes.before_forward.append(callback)

    def after_forward(self, callback: Callback) -> None:
        """Call `callback(layer index)` after each layer's forward."""
        self._passes.after_forward.append(callback)

    def before_backward(self, callback: Callback) -> None:
        """Call `callback(layer index)` before each layer's backward."""
        self._passes.before_backward.append(callback)

    def after_backward(self, callback: Callback) -> None:
        """Call `callback(layer index)` after each layer's backward."""
        self._passes.after_backward.append(callback)

    def log_debug_info(self, active: bool = True) -> DebugInfo:
        """Log passes from now on as `debug_info: true` does, while the result's `active` is set."""
        return DebugInfo(self._passes, self.learnable_params, active)

    # shapes and inputs

    def reshape(self) -> None:
        """Pass new shapes of the inputs on to all blobs; forward does so by itself as well."""
        for step in self.steps:
            if not step.layer.fixed_tops:
                step.reshape()

    def set_input_arrays(self, data: NDArray[Any], labels: NDArray[Any]) -> None:
        """Give the net's first MemoryData layer `data` (N x C x H x W) and `labels` (N)."""
        for step in self.steps:
            if isinstance(step.layer, MemoryDataLayer):
                step.layer.give(data, labels)
                return
        raise InputError(f'the net "{self.name}" has no MemoryData layer to give arrays to.')

    def _layer_index(self, name: str) -> int:
        if name not in self._layer_names:
            raise InputError(f'there is no layer "{name}" in the net "{self.name}".')
        return self._layer_names.index(name)

    def _blob(self, name: str) -> Blob:
        if name not in self.blobs:
            raise InputError(
                f'there is no blob "{name}" in the net "{self.name}"; it has: '
                f"{', '.join(self.blobs)}."
            )
        return self.blobs[name]

    # weights

    def copy_from(self, weights: Path | Weights) -> None:
        """Load weights by layer name from a caffemodel (binary or HDF5) or a `Weights`.

        Layers that the net does not have are skipped; warns if that is all of them. Raises
        `InputError`, with the layer and both shapes, for another number of blobs or another shape.
        """
        load_weights(self.steps, weights, self.name)

    def share_with(self, other: Net) -> None:
        """Use the parameters of `other` in the layers of the same names (data, not diffs).

        Raises `InputError` for nets on different devices and parameters of different shapes.
        """
        if self.device != other.device:
            raise InputError(
                f"nets on {self.device} and {other.device} cannot share parameters; build both in "
                "the same mode, or use copy_from."
            )
        share_params(params_by_key(self.steps), params_by_key(other.steps))

    def weights(self) -> Weights:
        """The parameters as a `Weights`, live arrays; of layers of one name, all (`LayerKey`)."""
        params = params_by_key(self.steps)
        arrays = {key: [blob.data for blob in blobs] for key, blobs in params.items()}
        types = {step.layer.name: step.layer.type for step in self.steps}
        typed = [step.layer.type for step in self.steps if step.layer.blobs]
        types.update(zip(params, typed))
        return Weights(arrays, name=self.name, types=types)

    def save(self, path: Path) -> None:
        """Write a caffemodel (HDF5 if `path` ends in .h5)."""
        write_caffemodel(path, self.weights(), self.message)

    def save_hdf5(self, path: Path) -> None:
        """Write the weights to an HDF5 file, whatever its name ends in."""
        write_caffemodel(path, self.weights(), self.message, hdf5=True)

    def load_hdf5(self, path: Path) -> None:
        """Load the weights of an HDF5 file."""
        self.copy_from(path)

    # the names with an underscore that pycaffe's Net has: layers and blobs by their numbers

    _set_input_arrays = set_input_arrays
    _backward = run_backward

    def _forward(self, start: int, end: int) -> float:
        """Run layers number `start` to `end`; returns the loss that they computed."""
        self.run_forward(start, end)
        return self._passes.loss_of(start, end)

    def _top_ids(self, layer: int) -> IntVec:
        return self._numbers(self.steps[layer].top_names)

    def _bottom_ids(self, layer: int) -> IntVec:
        return self._numbers(self.steps[layer].bottom_names)

    def _numbers(self, names: Iterable[str]) -> IntVec:
        return IntVec(self._blob_names.index(name) for name in names)
