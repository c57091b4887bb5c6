"""Layers without bottoms that read no files: Input, Parameter, DummyData."""

from caffeformat import pb

from ..fillers import fill
from .base import ManualLayer, Param, register


@register("Input")
class Input(ManualLayer):
    """Tops that the user fills: their shapes come from the prototxt, then from `reshape`."""

    bottoms = (0, 0)
    tops = (1, None)
    fixed_tops = True

    def top_shapes(self, shapes):
        # Without any shape, the user's first reshape gives one.
        return (
            super().top_shapes(shapes)
            if self.proto.input_param.shape
            else [()] * len(self.proto.top)
        )

    def forward_blobs(self, bottoms, tops):
        pass

    def backward_blobs(self, tops, propagate_down, bottoms):
        pass


@register("Parameter")
class Parameter(ManualLayer):
    """A learned blob as a top: the top is the parameter, data and diff."""

    bottoms = (0, 0)
    fixed_tops = True

    def setup(self, shapes):
        self.shared = False
        return [Param(self.proto.parameter_param.shape.dim)]

    def forward_blobs(self, bottoms, tops):
        # As in Caffe from the first pass on: what was written into the top before is lost.
        if not self.shared:
            tops[0].share(self.blobs[0])
            self.shared = True

    def backward_blobs(self, tops, propagate_down, bottoms):
        pass


@register("DummyData")
class DummyData(ManualLayer):
    """Tops filled by fillers: constant ones once, all others anew in every pass."""

    bottoms = (0, 0)
    tops = (1, None)
    fixed_tops = True

    def setup(self, shapes):
        p = self.proto.dummy_data_param
        constant = pb.FillerParameter(type="constant", value=0)
        fillers, tops = list(p.data_filler) or [constant], len(self.proto.top)
        if len(fillers) not in (1, tops):
            raise self.error(
                f"needs one data_filler, or one for each of its {tops} tops; found {len(fillers)}."
            )
        self.fillers = fillers if len(fillers) == tops else fillers * tops
        self.filled = False
        return []

    def forward_blobs(self, bottoms, tops):
        for top, filler in zip(tops, self.fillers):
            if filler.type != "constant" or not self.filled:
                values = self.new_tensor(top.shape)
                fill(values, filler, f'layer "{self.name}"')
                top.set_data(values)
        self.filled = True

    def backward_blobs(self, tops, propagate_down, bottoms):
        pass
