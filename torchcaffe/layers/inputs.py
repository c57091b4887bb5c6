"""Layers that have no bottoms and read no files: Input, Parameter, DummyData."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import pb
from torchcaffe.core import fill

from .base import ManualLayer, Param, Shape, Shapes, register

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchcaffe.core import Blob


class _SourceLayer(ManualLayer):
    """Base of layers that have no bottoms, and so nothing to do in a backward pass."""

    bottoms = (0, 0)
    fixed_tops = True

    def backward_blobs(
        self, tops: Sequence[Blob], propagate_down: Sequence[bool], bottoms: Sequence[Blob]
    ) -> None:
        pass


@register("Input")
class Input(_SourceLayer):
    """Tops that the user fills; their shapes come from the prototxt, then from `reshape`."""

    tops = (1, None)

    def top_shapes(self, shapes: Shapes) -> list[Shape]:
        # Without any shape, the user's first reshape gives one.
        return (
            super().top_shapes(shapes)
            if self.proto.input_param.shape
            else [()] * len(self.proto.top)
        )

    def forward_blobs(self, bottoms: Sequence[Blob], tops: Sequence[Blob]) -> None:
        pass


@register("Parameter")
class Parameter(_SourceLayer):
    """A learned blob as a top, which shares the parameter's data and diff."""

    def setup(self, shapes: Shapes) -> list[Param]:
        self.shared = False
        return [Param(self.proto.parameter_param.shape.dim)]

    def forward_blobs(self, bottoms: Sequence[Blob], tops: Sequence[Blob]) -> None:
        # As in Caffe, only from the first pass on: what was written into the top before is lost.
        if not self.shared:
            tops[0].share(self.blobs[0])
            self.shared = True


@register("DummyData")
class DummyData(_SourceLayer):
    """Tops filled by fillers: constant ones once, all others again in every pass."""

    tops = (1, None)

    def setup(self, shapes: Shapes) -> list[Param]:
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

    def forward_blobs(self, bottoms: Sequence[Blob], tops: Sequence[Blob]) -> None:
        for top, filler in zip(tops, self.fillers):
            if filler.type != "constant" or not self.filled:
                values = self.new_tensor(top.shape)
                fill(values, filler, f'layer "{self.name}"')
                top.set_data(values)
        self.filled = True
