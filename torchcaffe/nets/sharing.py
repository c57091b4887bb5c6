"""The parameters of a net: which layer owns them, which share them, and how fast they learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError, pb

if TYPE_CHECKING:
    from torchcaffe.core import Blob
    from torchcaffe.layers import Layer

_PERMISSIVE = pb.ParamSpec.PERMISSIVE


class LearnableParam:
    """A parameter and its owner: its Blob, `lr_mult`, `decay_mult` and the declaring layer."""

    __slots__ = ("_specified", "blob", "decay_mult", "index", "layer_name", "lr_mult")

    def __init__(self, blob: Blob, layer_name: str, index: int) -> None:
        self.blob, self.layer_name, self.index = blob, layer_name, index
        self.lr_mult = self.decay_mult = 1.0
        self._specified: set[str] = set()

    def specify(self, spec: pb.ParamSpec, layer_name: str) -> None:
        """Take the multipliers in `spec`; raise `InputError` if earlier ones were different."""
        for field in ("lr_mult", "decay_mult"):
            if not spec.HasField(field):
                continue
            value = getattr(spec, field)
            if field in self._specified and value != getattr(self, field):
                raise InputError(
                    f'layers "{self.layer_name}" and "{layer_name}" share the parameter '
                    f'"{spec.name}" but have a different {field}: {getattr(self, field):g} and '
                    f"{value:g}; give it once, or the same in both."
                )
            setattr(self, field, value)
            self._specified.add(field)


class ParamRegister:
    """Collects the parameters of a net's layers, in order, and joins those of the same name.

    `learnable` lists the LearnableParams, one per owned parameter.
    """

    def __init__(self) -> None:
        self.learnable: list[LearnableParam] = []
        self._named: dict[str, LearnableParam] = {}

    def add(self, layer: Layer, index: int, blob: Blob, learned: bool = True) -> tuple[Blob, bool]:
        """Register parameter `index` of `layer`, held in `blob`.

        Returns the Blob to use (the owner's, if the parameter is shared) and whether its gradient
        is needed. Raises `InputError` if a shared parameter has another shape.
        """
        specs = layer.proto.param
        spec = specs[index] if index < len(specs) else pb.ParamSpec()
        owner = self._named.get(spec.name) if spec.name else None
        if owner is None:
            owner = LearnableParam(blob, layer.name, index)
            self.learnable.append(owner)
            if spec.name:
                self._named[spec.name] = owner
        else:
            blob = self._shared(owner, layer, spec, blob)
        owner.specify(spec, layer.name)
        if not learned:
            owner.lr_mult = 0.0
        return blob, learned and spec.lr_mult != 0

    @staticmethod
    def _shared(owner: LearnableParam, layer: Layer, spec: pb.ParamSpec, blob: Blob) -> Blob:
        if blob.shape == owner.blob.shape:
            return owner.blob
        if spec.share_mode == _PERMISSIVE and blob.count == owner.blob.count:
            blob.share(owner.blob)
            return blob
        needed = "number of values" if spec.share_mode == _PERMISSIVE else "shape"
        raise InputError(
            f'layer "{layer.name}" shares the parameter "{spec.name}" of layer '
            f'"{owner.layer_name}", but not its {needed}: {blob.shape} here, {owner.blob.shape} '
            "there; make them equal, or name the parameters differently."
        )
