"""Wiring: turns a net's layers into Steps, and plans their gradients once for all passes."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from caffeformat.messages import refuse_effects
from torchcaffe import log
from torchcaffe.core import Blob, MemoryBudget, is_native, lower_precision
from torchcaffe.layers import create

from .sharing import LearnableParam, ParamRegister
from .step import Step

if TYPE_CHECKING:
    import torch

    from caffeformat import pb
    from torchcaffe.layers import Layer


class Wiring:
    """The layers of a net, connected by Blobs.

    `steps`: in the order of the prototxt; `blobs`: name -> Blob; `params`: layer name -> its
    parameters; `layers`: layer name -> what pycaffe shows as the layer; `inputs`, `outputs`: names
    of blobs; `learnable`: the parameters that are not shared from another layer; `fills`: parameter
    -> what to fill it with, and its layer.
    """

    def __init__(self, message: pb.NetParameter, phase: int, device: torch.device) -> None:
        """Wire the layers of `message`, whose splits are inserted, for `phase` on `device`.

        Raises `InputError`, which names the layer, for layers that do not fit together.
        """
        self.steps: list[Step] = []
        self.blobs: OrderedDict[str, Blob] = OrderedDict()
        self.params: OrderedDict[str, list[Blob]] = OrderedDict()
        self.layers: OrderedDict[str, object] = OrderedDict()
        self.inputs: list[str] = []
        self.fills: dict[Blob, tuple[pb.FillerParameter | None, Layer]] = {}
        self._device, self._unused = device, set[str]()
        _warn_of_slowness(device)
        self._register, self._budget = ParamRegister(), MemoryBudget(device)
        for proto in message.layer:
            refuse_effects(proto)
            layer = create(proto, proto.phase if proto.HasField("phase") else phase)
            layer.meet(message)
            step = self._connect(layer)
            self.steps.append(step)
            self._set_up(step)
            self.layers[layer.name] = layer.public
            if layer.type == "Input":
                self.inputs += step.top_names
        plan_gradients(self.steps, message.force_backward)
        plan_overwriting(self.steps)
        self.outputs = sorted(self._unused)
        self.learnable: list[LearnableParam] = self._register.learnable

    def _connect(self, layer: Layer) -> Step:
        """Make the Step of `layer`: find its bottoms, create its tops."""
        proto = layer.proto
        if proto.blobs:
            raise layer.error("blobs in a prototxt are not read; load a caffemodel.")
        if layer.is_loss and not proto.top:
            proto.top.append(f"(automatic) {proto.name}")
        for what, names, (fewest, most) in (
            ("bottom", proto.bottom, layer.bottoms),
            ("top", proto.top, layer.tops),
        ):
            if len(names) < fewest or (most is not None and len(names) > most):
                wanted = str(fewest) if fewest == most else f"{fewest} to {most or 'any number'}"
                raise layer.error(
                    f"has {len(names)} {what} blob(s) ({', '.join(names)}), but takes {wanted}."
                )
        self._unused.difference_update(proto.bottom)
        bottoms = [self.blobs[name] for name in proto.bottom]
        self._unused.update(proto.top)
        for name in proto.top:
            self.blobs.setdefault(name, Blob(device=self._device))
        tops = [self.blobs[name] for name in proto.top]
        return Step(layer, list(proto.bottom), bottoms, list(proto.top), tops)

    def _set_up(self, step: Step) -> None:
        """Set the layer up, create its parameters and give the tops their shapes."""
        layer = step.layer
        step.loss_weights = _loss_weights(layer)
        shapes = [blob.shape for blob in step.bottoms]
        layer.require_values(shapes)
        declared = layer.setup(shapes)
        for param in declared:
            blob = Blob(param.shape, self._device)
            self._budget.take(layer, "a parameter", blob.shape, blob.count)
            self.fills[blob] = param.filler, layer
            layer.blobs.append(blob)
        if step.manual is not None:
            step.manual.connect(step.bottoms, step.tops)
        unlearned = {index for index, param in enumerate(declared) if not param.learned}
        for index, blob in enumerate(layer.blobs):
            used, needs = self._register.add(layer, index, blob, learned=index not in unlearned)
            if used is not blob:
                self.fills.pop(blob, None)
                layer.blobs[index] = used
            step.params.append(used)
            step.param_needs.append(needs)
        if len(layer.proto.param) > len(layer.blobs):
            raise layer.error(
                f"has {len(layer.proto.param)} param entries, but {len(layer.blobs)} parameters."
            )
        if layer.blobs:
            self.params[layer.name] = layer.blobs
        step.reshape()
        for name, blob in zip(step.top_names, step.tops):
            if name not in step.bottom_names and layer.type != "Split":  # has memory of its own
                self._budget.take(layer, f'its top "{name}"', blob.shape, blob.count)


def _warn_of_slowness(device: torch.device) -> None:
    lower = lower_precision()
    if lower is not None and not is_native(lower, device.type):
        log.logger.warning(
            f"this CPU has no instructions for {str(lower)[6:]}: numbers are rounded to it, but "
            "nets take more time than in float32"
        )


def _loss_weights(layer: Layer) -> list[float]:
    given, tops = list(layer.proto.loss_weight), len(layer.proto.top)
    if given and len(given) != tops:
        raise layer.error(
            f"has {len(given)} loss_weight for {tops} tops; give none, or one per top."
        )
    if given or not layer.is_loss:
        return given or [0.0] * tops
    return [1.0] + [0.0] * (tops - 1)


def plan_gradients(steps: list[Step], force_backward: bool) -> None:
    """Set `bottom_needs` and `needs_backward` of each Step.

    A layer needs a backward pass if one of its bottoms or parameters needs a gradient and a loss
    depends on it. `propagate_down` overrides the first condition for a bottom; `force_backward`
    overrides both.
    """
    needy: set[str] = set()
    for step in steps:
        wanted = list(step.layer.proto.propagate_down)
        if wanted and len(wanted) != len(step.bottoms):
            raise step.layer.error(
                f"has {len(wanted)} propagate_down for {len(step.bottoms)} bottoms; give none or "
                "one per bottom."
            )
        below = [name in needy for name in step.bottom_names]
        step.bottom_needs = wanted or below
        step.needs_backward = any(below) or any(step.param_needs)
        if step.needs_backward:
            needy.update(step.top_names)
        else:
            needy.difference_update(step.top_names)
    _drop_what_reaches_no_loss(steps)
    if force_backward:
        for step in steps:
            step.needs_backward = True
            step.param_needs = [True] * len(step.param_needs)
            step.bottom_needs = [
                needs or index not in step.layer.label_bottoms
                for index, needs in enumerate(step.bottom_needs)
            ]
    for step in steps:
        if not step.layer.differentiable:
            step.bottom_needs = [False] * len(step.bottoms)
            step.needs_backward = False


def _drop_what_reaches_no_loss(steps: list[Step]) -> None:
    """Drop the gradients on which no loss depends or which no layer passes on, from the end.

    Each bottom is used once (Split layers see to that), so a name in these sets stands for the one
    blob between its maker and its user; in place, for its state after the maker.
    """
    under_loss: set[str] = set()
    without_gradient: set[str] = set()
    for step in reversed(steps):
        contributes = any(
            weight or name in under_loss for weight, name in zip(step.loss_weights, step.top_names)
        )
        if step.top_names and all(name in without_gradient for name in step.top_names):
            step.needs_backward = False
            step.bottom_needs = [False] * len(step.bottoms)
        if not contributes:
            step.needs_backward = False
            step.bottom_needs = [False] * len(step.bottoms)
        for name, needs in zip(step.bottom_names, step.bottom_needs):
            if contributes:
                under_loss.add(name)
            if not needs:
                without_gradient.add(name)


def plan_overwriting(steps: list[Step]) -> None:
    """Let layers that work in place overwrite their bottom, if its maker no longer needs it."""
    maker: dict[str, Step] = {}
    for step in steps:
        if step.layer.can_overwrite and step.in_place == [True]:
            before = maker[step.bottom_names[0]]
            step.overwrites = before.layer.output_is_free
        maker.update(dict.fromkeys(step.top_names, step))
