"""A net's parameters out of files and into them, and shared with another net, by layer name."""

import os
import warnings

import torch

from caffeformat import InputError, Weights, read_caffemodel, write_caffemodel

from .mapped import move_out


class NetWeights:
    """The part of `Net` that loads, saves and shares `params`, once its layers are there."""

    def copy_from(self, weights):
        """Load weights by layer name from a caffemodel (binary or HDF5) or a `Weights`.

        Layers the net does not have are skipped. Another number of blobs or another shape is an
        `InputError` with the layer and both shapes.
        """
        source = "the weights"
        if not isinstance(weights, Weights):
            source = os.fspath(weights)
            weights = read_caffemodel(source)
        layers = {step.layer.name: step.layer for step in self._steps}
        if self.params and not any(name in layers for name in weights):
            warnings.warn(
                f'{source}: none of its layers ("{next(iter(weights), "")}", ...) is in the net '
                f'"{self.name}": nothing was loaded; are these the weights of another net?',
                stacklevel=2,
            )
        for name, arrays in weights.items():
            if name in layers:
                self._copy_layer(layers[name], arrays, source)

    def _copy_layer(self, layer, arrays, source):
        if len(arrays) != len(layer.blobs):
            raise layer.error(
                f"has {len(layer.blobs)} parameter blob(s) "
                f"({', '.join(str(blob.shape) for blob in layer.blobs)}), but {source} has "
                f"{len(arrays)} for it ({', '.join(str(a.shape) for a in arrays if a is not None)})"
                "; rename the layer to leave it out."
            )
        for index, (blob, array) in enumerate(zip(layer.blobs, arrays)):
            if array is None:  # an HDF5 file leaves out what another layer shares
                continue
            if not layer.takes(array.shape, blob.shape):
                raise layer.error(
                    f"its parameter {index} has shape {blob.shape}, but in {source} it is "
                    f"{tuple(array.shape)}; rename the layer to leave it out, or use the net these "
                    "weights were made for."
                )
            self._fills.pop(blob, None)
            if blob.has_data:
                move_out(array, blob.data)
            else:
                values = torch.empty(blob.shape)
                move_out(array, values.numpy())
                blob.set_data(values.to(self.device))

    def share_with(self, other):
        """Use the parameters of `other` in the layers of the same names (data, not diffs)."""
        if self.device != other.device:
            raise InputError(
                f"nets on {self.device} and {other.device} cannot share parameters; build both in "
                "the same mode, or use copy_from."
            )
        for name, theirs in other.params.items():
            if name not in self.params:
                continue
            mine = self.params[name]
            if [blob.shape for blob in mine] != [blob.shape for blob in theirs]:
                raise InputError(
                    f'layer "{name}": cannot share parameters; here they have the shapes '
                    f"{[blob.shape for blob in mine]}, there {[blob.shape for blob in theirs]}."
                )
            for blob, owner in zip(mine, theirs):
                blob.share(owner, diff=False)

    def weights(self):
        """The parameters as a `Weights`, live arrays."""
        arrays = {name: [blob.data for blob in blobs] for name, blobs in self.params.items()}
        types = {step.layer.name: step.layer.type for step in self._steps}
        return Weights(arrays, name=self.name, types=types)

    def save(self, path):
        """Write a caffemodel (HDF5 where `path` ends in .h5)."""
        write_caffemodel(path, self.weights(), self.message)

    def save_hdf5(self, path):
        """Write the weights to an HDF5 file, `path` ending in .h5."""
        if not os.fspath(path).endswith(".h5"):
            raise InputError(f"{path}: save_hdf5 needs a name that ends in .h5.")
        write_caffemodel(path, self.weights(), self.message)

    def load_hdf5(self, path):
        """Load the weights of an HDF5 file."""
        self.copy_from(path)
