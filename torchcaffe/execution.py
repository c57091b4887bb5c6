"""One layer's turn in a pass: forward with a small autograd graph, backward through it.

Each layer has a graph of its own: its bottoms enter as leaves, and a backward pass hands the tops'
diffs to autograd and writes what it returns into the bottoms' diffs. So passes may begin and end
anywhere, diffs may be edited between layers, and a blob that is worked on in place holds the
gradient of its last maker's input afterwards, all as in Caffe.
"""

import torch

from .layers.base import ManualLayer


class Step:
    """A layer in its net, with its blobs and what is wanted of it.

    `bottom_needs` and `param_needs` say for each bottom and parameter whether its gradient is
    wanted; `loss_weights` has a number for each top.
    """

    __slots__ = (
        "bottom_names",
        "bottom_needs",
        "bottoms",
        "fused",
        "graph",
        "in_place",
        "layer",
        "loss_weights",
        "manual",
        "needs_backward",
        "overwrites",
        "overwritten",
        "param_needs",
        "params",
        "shapes",
        "top_names",
        "tops",
    )

    def __init__(self, layer, bottom_names, bottoms, top_names, tops):
        self.layer = layer
        self.bottom_names, self.bottoms = bottom_names, bottoms
        self.top_names, self.tops = top_names, tops
        self.manual = isinstance(layer, ManualLayer)
        self.in_place = [name in top_names for name in bottom_names]
        self.params, self.param_needs = [], []
        self.bottom_needs = [False] * len(bottoms)
        self.needs_backward = False
        self.loss_weights = [0.0] * len(tops)
        self.overwrites = False  # it computes in place, in the memory of its bottom
        self.shapes = self.graph = self.overwritten = None
        self.fused = None  # the FusedNormalization that may stand for it

    def reshape(self):
        """Check the bottoms' shapes and give the tops theirs."""
        if self.manual:
            self.layer.reshape_blobs(self.bottoms, self.tops)
        else:
            for blob, shape in zip(self.tops, self.fit([blob.shape for blob in self.bottoms])):
                blob.reshape(*shape)
        self._weigh_losses()

    def fit(self, shapes):
        """Check that the layer takes bottoms of these shapes; returns those of its tops."""
        self.shapes = None
        fitted = self.layer.fit(shapes)
        self.shapes = shapes
        return fitted

    def _weigh_losses(self):
        """A loss's diff is its weight: where backward passes start."""
        for blob, weight in zip(self.tops, self.loss_weights):
            if weight and not blob.has_gradient:
                blob.set_diff(torch.full(blob.shape, weight, device=blob.device))

    def forward(self):
        """Compute the tops' data, keeping what a backward pass needs."""
        self.graph = self.overwritten = None
        if self.fused is not None:
            self.fused.graph = None
        if self.manual:
            if not self.layer.fixed_tops:
                self.reshape()
            self.layer.forward_blobs(self.bottoms, self.tops)
            return
        bottoms = [blob.tensor() for blob in self.bottoms]
        shapes = [tuple(tensor.shape) for tensor in bottoms]
        if shapes != self.shapes:
            self.fit(shapes)
        if self.overwrites:
            self.overwritten = bottoms[0].data
            self.layer.overwrite(self.overwritten)
            self.tops[0].data_written()
        elif self.needs_backward:
            self._forward_with_graph(bottoms)
        else:
            for blob, top in zip(self.tops, self.layer.forward(bottoms, self.param_tensors())):
                blob.set_data(top)
        if any(self.loss_weights):
            self._weigh_losses()

    def compute(self, bottoms):
        """The tops for these tensors, without a graph and apart from the blobs.

        A layer that overwrites its bottom does so here too.
        """
        shapes = [tuple(tensor.shape) for tensor in bottoms]
        if shapes != self.shapes:
            self.fit(shapes)
        if self.overwrites:
            self.layer.overwrite(bottoms[0])
            return bottoms
        return self.layer.forward(bottoms, self.param_tensors())

    def _forward_with_graph(self, bottoms):
        wanted = []
        for index, needs in enumerate(self.bottom_needs):
            if needs:
                bottoms[index] = self.bottom_leaf(index)
                wanted.append(bottoms[index])
        tops = self.layer.forward(bottoms, self.param_leaves(wanted))
        self.graph = wanted, tops
        for blob, top in zip(self.tops, tops):
            blob.set_data(top.data)

    def bottom_leaf(self, index):
        """A bottom's tensor as the beginning of a graph."""
        blob = self.bottoms[index]
        # What is computed in place must not change under a graph that looks at it.
        apart = self.in_place[index] and blob.data_held
        leaf = blob.tensor().clone() if apart else blob.tensor().data
        return leaf.requires_grad_(self.bottom_needs[index])

    def param_tensors(self):
        """The parameters, without a graph."""
        return [blob.tensor() for blob in self.params]

    def param_leaves(self, wanted):
        """The parameters as the beginnings of a graph; appends to `wanted` those that need it."""
        leaves = []
        for blob, needs in zip(self.params, self.param_needs):
            tensor = blob.tensor()
            if needs:
                tensor = tensor.data.requires_grad_()
                tensor.gradient_memory = blob.gradient_memory
                wanted.append(tensor)
            leaves.append(tensor)
        return leaves

    def backward(self):
        """Compute the bottoms' diffs from the tops', and add to the parameters' diffs."""
        if self.manual:
            self.layer.backward_blobs(self.tops, self.bottom_needs, self.bottoms)
            return
        if self.overwritten is not None:
            (blob,) = self.bottoms
            if self.bottom_needs[0]:
                diff = blob.gradient()
                blob.set_diff(self.layer.gradient_of_overwritten(self.overwritten, diff))
            return
        if self.graph is None and self.fused is not None and self.fused.graph is not None:
            self.fused.take_apart()
        if self.graph is None:
            raise self.layer.error("its backward pass needs a forward pass first.")
        self._refuse_gradient_of_labels()
        gradients = iter(self._gradients(*self.graph))
        for blob, needs in zip(self.bottoms, self.bottom_needs):
            if needs:
                gradient = next(gradients)
                blob.set_diff(blob.tensor().new_zeros(blob.shape) if gradient is None else gradient)
        self.add_param_diffs(gradients)

    def add_param_diffs(self, gradients):
        """Add what the iterator `gradients` yields to the diffs of the parameters that need it."""
        for blob, needs in zip(self.params, self.param_needs):
            if needs:
                gradient = next(gradients)
                if gradient is not None:
                    blob.add_diff(gradient)

    def _gradients(self, wanted, tops):
        """The gradient, or None, of each wanted tensor, from the diffs of the tops."""
        reached = [
            (top, blob.gradient()) for top, blob in zip(tops, self.tops) if top.requires_grad
        ]
        if not reached or not wanted:
            return [None] * len(wanted)
        tops, diffs = zip(*reached)
        gradients = torch.autograd.grad(tops, wanted, diffs, retain_graph=True, allow_unused=True)
        # A gradient that is a top's diff itself is copied: parameters' diffs are changed in place.
        begins = {diff.data_ptr() for diff in diffs}
        return [
            gradient.clone() if gradient is not None and gradient.data_ptr() in begins else gradient
            for gradient in gradients
        ]

    def _refuse_gradient_of_labels(self):
        for index in self.layer.label_bottoms:
            # InfogainLoss may do without its third bottom, the matrix.
            is_there = index < len(self.bottom_needs)
            if self.layer.is_loss and is_there and self.bottom_needs[index]:
                raise self.layer.error(
                    f'cannot compute a gradient for its labels, "{self.bottom_names[index]}"; cut '
                    "the way back to what makes them, with propagate_down or lr_mult: 0."
                )
