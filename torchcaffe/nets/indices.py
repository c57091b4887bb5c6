"""The names with an underscore that pycaffe's Net has: blobs and layers by their numbers.

Scripts use them now and then (`net._forward(0, 3)`, `net._blob_names`); they tell nothing that the
names without one do not tell.
"""


class Indices:
    """The part of `Net` that counts."""

    @property
    def _blob_names(self):
        return list(self.blobs)

    @property
    def _blobs(self):
        return list(self.blobs.values())

    @property
    def _blob_loss_weights(self):
        return list(self.blob_loss_weights.values())

    @property
    def _inputs(self):
        return self._numbers(self.inputs)

    @property
    def _outputs(self):
        return self._numbers(self.outputs)

    def _top_ids(self, layer):
        """Numbers of the blobs that layer number `layer` makes."""
        return self._numbers(self._steps[layer].top_names)

    def _bottom_ids(self, layer):
        """Numbers of the blobs that layer number `layer` uses."""
        return self._numbers(self._steps[layer].bottom_names)

    def _numbers(self, names):
        found = self._blob_names
        return [found.index(name) for name in names]

    def _forward(self, start, end):
        """Run layers number `start` to `end`; returns the loss that they computed."""
        self.run_forward(start, end)
        steps = self._steps[start : end + 1]
        return float(
            sum(
                (blob.tensor() * weight).sum()
                for step in steps
                for blob, weight in zip(step.tops, step.loss_weights)
                if weight
            )
        )

    def _backward(self, start, end):
        """Run layers number `start` back to `end`."""
        self.run_backward(start, end)

    def _set_input_arrays(self, data, labels):
        self.set_input_arrays(data, labels)
