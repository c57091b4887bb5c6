"""`Net`: layers, blobs and parameters wired together, under pycaffe's names."""

from collections import OrderedDict

import torch

from caffeformat import InputError, filter_net, insert_splits, pb, read_net, upgrade_net

from . import device
from .blob import Blob
from .execution import Step
from .fillers import fill
from .inference import forward_lean
from .layers import create
from .memory import MemoryBudget
from .net_indices import Indices
from .net_passes import Passes
from .net_weights import NetWeights
from .weight_sharing import ParamRegister
from .wiring import plan_gradients, plan_overwriting


class Net(Passes, NetWeights, Indices):
    """A network built from a prototxt.

        Net("deploy.prototxt", TEST)
        Net("deploy.prototxt", "weights.caffemodel", TEST)
        Net("train_val.prototxt", TRAIN, level=0, stages=["fine"], weights="start.caffemodel")
        Net("train_val.prototxt", TRAIN, 0, ["fine"], "start.caffemodel")
        Net(net_param=message, phase=TEST)

    `weights` may also be a `Weights` mapping. Attributes as in pycaffe: `blobs`, `params` (ordered,
    name -> Blob and layer name -> list of Blobs), `layers`, `layer_dict`, `inputs`, `outputs`,
    `top_names`, `bottom_names`, `blob_loss_weights`, `name`. Beyond it: `phase`, and
    `learnable_params` (the owners' LearnableParams, in order).

    Raises `InputError` for files and layers that make no net, with the layer and what it found.
    """

    def __init__(
        self, network_file=None, *args, phase=None, level=0, stages=(), weights=None, net_param=None
    ):
        if args and not isinstance(args[0], int):
            weights, *args = args
        given = dict(zip(("phase", "level", "stages", "weights"), args))
        phase, level = given.get("phase", phase), given.get("level", level)
        stages, weights = given.get("stages", stages), given.get("weights", weights)
        if phase is None:
            raise InputError("a Net needs its phase: TRAIN or TEST.")
        if not isinstance(level, (int, type(None))):
            raise InputError(
                f"a Net's level is a number, found {level!r}; weights go before the phase, or are "
                "named: weights=..."
            )
        if net_param is None:
            message = read_net(network_file)
        else:
            message = pb.NetParameter()
            message.CopyFrom(net_param)
            upgrade_net(message)
        message = filter_net(message, phase, level or 0, list(stages or ()))
        self.message = insert_splits(message)
        self.name, self.phase = message.name, phase
        self.device = device.current()
        self._build()
        self._load_and_fill(weights)

    # building

    def _build(self):
        self.blobs, self.params = OrderedDict(), OrderedDict()
        self.layer_dict, self._steps, self._fills = OrderedDict(), [], {}
        register, budget = ParamRegister(), MemoryBudget(self.device)
        unused, inputs = set(), []
        for proto in self.message.layer:
            layer = create(proto, proto.phase if proto.HasField("phase") else self.phase)
            step = self._wire(layer, unused)
            self._steps.append(step)
            self._set_up(step, register, budget)
            self.layer_dict[layer.name] = layer.public
            if layer.type == "Input":
                inputs += step.top_names
        plan_gradients(self._steps, self.message.force_backward)
        plan_overwriting(self._steps)
        self.layers = [step.layer.public for step in self._steps]
        self._layer_names = [step.layer.name for step in self._steps]
        self.inputs, self.outputs = inputs, sorted(unused)
        self.learnable_params = register.learnable
        self._prepare_passes()

    def _wire(self, layer, unused):
        """The Step of `layer`: its bottoms found, its tops made."""
        proto = layer.proto
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
        for name in proto.bottom:
            unused.discard(name)
        bottoms = [self.blobs[name] for name in proto.bottom]
        for name in proto.top:
            unused.add(name)
            self.blobs.setdefault(name, Blob(device=self.device))
        tops = [self.blobs[name] for name in proto.top]
        return Step(layer, list(proto.bottom), bottoms, list(proto.top), tops)

    def _set_up(self, step, register, budget):
        layer, proto = step.layer, step.layer.proto
        step.loss_weights = self._loss_weights(layer)
        declared = layer.setup([blob.shape for blob in step.bottoms])
        for param in declared:
            blob = Blob(param.shape, self.device)
            budget.take(layer, "a parameter", blob.shape, blob.count)
            self._fills[blob] = param.filler, layer
            layer.blobs.append(blob)
        if step.manual:
            layer.connect(step.bottoms, step.tops)
        unlearned = {index for index, param in enumerate(declared) if not param.learned}
        for index, blob in enumerate(layer.blobs):
            used, needs = register.add(layer, index, blob, learned=index not in unlearned)
            if used is not blob:
                self._fills.pop(blob, None)
                layer.blobs[index] = used
            step.params.append(used)
            step.param_needs.append(needs)
        if len(proto.param) > len(layer.blobs):
            raise layer.error(
                f"has {len(proto.param)} param entries, but {len(layer.blobs)} parameters."
            )
        if layer.blobs:
            self.params[layer.name] = layer.blobs
        step.reshape()
        for name, blob in zip(step.top_names, step.tops):
            if name not in step.bottom_names and layer.type != "Split":  # has memory of its own
                budget.take(layer, f'its top "{name}"', blob.shape, blob.count)

    @staticmethod
    def _loss_weights(layer):
        given, tops = list(layer.proto.loss_weight), len(layer.proto.top)
        if given and len(given) != tops:
            raise layer.error(
                f"needs no loss_weight, or one for each of its {tops} tops; found {len(given)}."
            )
        if given or not layer.is_loss:
            return given or [0.0] * tops
        return [1.0] + [0.0] * (tops - 1)

    def _load_and_fill(self, weights):
        """Fill the parameters that `weights` does not bring (filling takes time)."""
        for step in self._steps:
            if step.layer.proto.blobs:
                raise step.layer.error("blobs in a prototxt are not read; load a caffemodel.")
        if weights is not None:
            self.copy_from(weights)
        for blob, (filler, layer) in self._fills.items():
            values = torch.empty(blob.shape, device=self.device)
            fill(values, filler, f'layer "{layer.name}"')
            blob.fill(values) if blob.has_data else blob.set_data(values)
        self._fills = {}

    # what pycaffe tells about a net

    @property
    def blob_loss_weights(self):
        """Blob name -> its loss weight, 0 for all that are no loss."""
        weights = OrderedDict.fromkeys(self.blobs, 0.0)
        for step in self._steps:
            weights.update(zip(step.top_names, step.loss_weights))
        return weights

    @property
    def top_names(self):
        """Layer name -> names of its tops."""
        return OrderedDict((step.layer.name, list(step.top_names)) for step in self._steps)

    @property
    def bottom_names(self):
        """Layer name -> names of its bottoms."""
        return OrderedDict((step.layer.name, list(step.bottom_names)) for step in self._steps)

    # shapes

    def reshape(self):
        """Pass new shapes of the inputs on to all blobs; forward does so by itself as well."""
        for step in self._steps:
            if not step.layer.fixed_tops:
                step.reshape()

    # data from memory

    def set_input_arrays(self, data, labels):
        """Give the net's first MemoryData layer `data` (N x C x H x W) and `labels` (N)."""
        for step in self._steps:
            if step.layer.type == "MemoryData":
                step.layer.give(data, labels)
                return
        raise InputError(f'the net "{self.name}" has no MemoryData layer to give arrays to.')

    def _forward_lean(self, outputs, end):
        return forward_lean(self._steps[: end + 1], outputs)
