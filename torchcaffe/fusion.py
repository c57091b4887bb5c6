"""A BatchNorm and the Scale that works in place on its top, computed as one.

Nobody can see what is between them: the Scale overwrites it. So whenever a pass runs through both,
one operation does the work of two, and only a pass that begins or ends between them takes them
apart.
"""

import torch


class FusedNormalization:
    """Stands in a pass for the two Steps of a BatchNorm and the Scale behind it."""

    def __init__(self, norm, scale):
        self.norm, self.scale = norm, scale
        norm.fused = scale.fused = self
        self.bottom_names, self.top_names = norm.bottom_names, scale.top_names
        self.manual = False
        self.graph = None

    @property
    def needs_backward(self):
        return self.norm.needs_backward or self.scale.needs_backward

    def _fit(self, x):
        shapes = [tuple(x.shape)]
        if shapes != self.norm.shapes or shapes != self.scale.shapes:
            self.norm.fit(shapes)
            self.scale.fit(shapes)

    def compute(self, bottoms):
        """The tops for these tensors, without a graph and apart from the blobs."""
        (x,) = bottoms
        self._fit(x)
        return [self.norm.layer.scaled(x, self.norm.param_tensors(), *self.scale.param_tensors())]

    def forward(self):
        """Both layers' forward."""
        norm, scale = self.norm, self.scale
        norm.graph = scale.graph = self.graph = None
        x = norm.bottoms[0].tensor()
        self._fit(x)
        wanted = []
        if self.needs_backward:
            x = norm.bottom_leaf(0)
            if norm.bottom_needs[0]:
                wanted.append(x)
        factors = scale.param_leaves(wanted) if self.needs_backward else scale.param_tensors()
        top = norm.layer.scaled(x, norm.param_tensors(), *factors)
        if self.needs_backward:
            self.graph = x, wanted, top
            top = top.data
        scale.tops[0].set_data(top)

    def backward(self):
        """Both layers' backward."""
        norm, scale = self.norm, self.scale
        if self.graph is None:
            for step in (scale, norm):
                if step.needs_backward:
                    step.backward()
            return
        _, wanted, top = self.graph
        diff = scale.tops[0].gradient()
        if not norm.in_place[0]:
            factor = scale.layer.aligned(scale.params[0].tensor(), diff).clone()
            scale.tops[0].set_diff_later(lambda: diff * factor)
        gradients = []
        if wanted:
            gradients = torch.autograd.grad(top, wanted, diff, retain_graph=True)
        gradients = iter(gradients)
        if norm.bottom_needs[0]:
            norm.bottoms[0].set_diff(next(gradients))
        scale.add_param_diffs(gradients)

    def take_apart(self):
        """Give each layer the graph of its own that it would have, had they run one by one."""
        norm, scale = self.norm, self.scale
        x, _, _ = self.graph
        self.graph = None
        middle = norm.layer.scaled(x, norm.param_tensors(), remember=False)
        norm.graph = ([x] if norm.bottom_needs[0] else []), [middle]
        leaf = middle.data.requires_grad_(scale.bottom_needs[0])
        wanted = [leaf] if scale.bottom_needs[0] else []
        scale.graph = wanted, scale.layer.forward([leaf], scale.param_leaves(wanted))


def fuse(steps):
    """Index of a BatchNorm's step -> FusedNormalization, for all in a net that can be fused."""
    pairs = {}
    for index, (norm, scale) in enumerate(zip(steps, steps[1:])):
        if (
            norm.layer.type == "BatchNorm"
            and scale.layer.type == "Scale"
            and scale.in_place == [True]
            and scale.bottom_names == norm.top_names
            and scale.layer.axis == 1
            and scale.layer.operand == (norm.layer.channels,)
            and not any(norm.param_needs)
            and not any(norm.loss_weights)
        ):
            pairs[index] = FusedNormalization(norm, scale)
    return pairs
