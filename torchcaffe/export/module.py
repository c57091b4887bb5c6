"""A net as a plain `torch.nn.Module`, and a module's parameters as a caffemodel's.

The module is a `torch.fx.GraphModule`: its submodules are torch's own layers under the names of
Caffe's, and its `forward` is generated Python (`print(module.code)`) in which no size is fixed.
"""

import numpy as np
import torch

from caffeformat import InputError, filter_net, infer_shapes, pb, read_caffemodel
from caffeformat.graph import scales_of_norms, value_graph
from caffeformat.tensor_names import from_tensors, identifier, module_names, to_tensors

from .builders import BUILDERS


def to_module(net, weights=None, outputs=None):
    """The plain module that computes what `net` computes at test time.

    `net` is a `Net`, or a current NetParameter with `weights` (a `Weights` or a caffemodel's path).
    The module, in eval mode, takes the net's inputs in their order and returns the value of the one
    output, or a dict of name -> value; `outputs` names other blobs than those no layer uses.
    Inputs may have any size that the layers allow. Raises `InputError` for layers that have no
    counterpart, with the layer's name.
    """
    if not isinstance(net, pb.NetParameter):
        net, weights = net.message, net.weights() if weights is None else weights
    net = filter_net(net, pb.TEST)
    if not hasattr(weights, "items"):
        weights = read_caffemodel(weights)
    graph = value_graph(net, outputs)
    tensors = to_tensors(graph, weights)
    module = _Assembly(graph, infer_shapes(net), tensors).finish(net.name)
    state = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
    for name, _ in module.named_buffers():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
    try:
        module.load_state_dict(state, assign=True)
    except RuntimeError as error:  # sizes that the net's layers do not have
        reason = " ".join(str(error).split())
        raise InputError(f"these are the weights of another net: {reason}") from None
    return module.eval()


def from_module(net, module):
    """`Weights` for the NetParameter (or `Net`) `net` from a module that `to_module` made of it."""
    return from_state_dict(net, module.state_dict())


def from_state_dict(net, state, outputs=None):
    """`Weights` for `net` from tensors or arrays named as in `to_module`'s state dict.

    They may be of any floating type (bfloat16 too, as `torch.load` gives them). Raises `InputError`
    where one is missing. BatchNorm's blobs come out as mean, variance and 1.
    """
    message = net if isinstance(net, pb.NetParameter) else net.message
    arrays = {
        name: value.detach().cpu().float().numpy() if torch.is_tensor(value) else value
        for name, value in state.items()
    }
    weights = from_tensors(value_graph(filter_net(message, pb.TEST), outputs), arrays)
    weights.name = message.name
    return weights


def apply(module, *arrays):
    """What a module of `to_module` makes of arrays, without gradients: a list of its outputs."""
    with torch.no_grad():
        made = module(*map(torch.from_numpy, arrays))
    return [value.numpy() for value in (made.values() if isinstance(made, dict) else [made])]


class Place:
    """What a builder is given besides its inputs: where its layer stands and what it may add.

    `layer` is its LayerParameter, `name` its module's name, `shapes` the shapes of its bottoms at
    the net's declared input (for what does not depend on it: axes and channels), `tensors` the
    layer's parameters by name, and `is_affine` whether a Scale follows that belongs to it.
    """

    def __init__(self, root, tracer, layer, name, shapes, tensors, is_affine):
        self._root, self._tracer = root, tracer
        self.layer, self.name, self.shapes, self.is_affine = layer, name, shapes, is_affine
        self.tensors = tensors

    def apply(self, module, *inputs):
        """The output of `module`, which becomes this layer's, for `inputs`."""
        self._root.add_module(self.name, module)
        return self._tracer.create_proxy("call_module", self.name, inputs, {})

    def parameter(self, name):
        """The layer's parameter `name`, for layers that are a formula and not a module."""
        if not hasattr(self._root, self.name):
            self._root.add_module(self.name, torch.nn.Module())
        empty = torch.nn.Parameter(torch.empty(self.tensors[name].shape, device="meta"))
        getattr(self._root, self.name).register_parameter(name, empty)
        return self._tracer.create_proxy("get_attr", f"{self.name}.{name}", (), {})

    def axis(self, axis, bottom=0):
        """`axis`, which may count from the end, as an index into that bottom's shape."""
        return axis % len(self.shapes[bottom])

    def error(self, problem):
        return InputError(f'layer "{self.layer.name}" ({self.layer.type}): {problem}')


class _Assembly:
    def __init__(self, graph, shapes, tensors):
        self._graph = graph
        self._root, self._fx = torch.nn.Module(), torch.fx.Graph()
        self._tracer = torch.fx.proxy.GraphAppendingTracer(self._fx)
        self._values = {name: self._input(name) for name in graph.inputs}
        names, scales = module_names(graph), scales_of_norms(graph)
        joined = {scale.name for scale in scales.values()}
        for node in graph.nodes:
            layer, name = node.layer, names[node.layer.name]
            if layer.name in joined:
                self._values[node.outputs[0]] = self._values[node.inputs[0]]
                continue
            own = {
                key.rsplit(".", 1)[1]: array
                for key, array in tensors.items()
                if key.rsplit(".", 1)[0] == name
            }
            bottoms = [shapes[blob] for blob in layer.bottom]
            affine = layer.name in scales
            place = Place(self._root, self._tracer, layer, name, bottoms, own, affine)
            self._add(node, place)

    def _input(self, name):
        """A proxy for the input blob `name`.

        torch.fx writes an input's name as it is into the Python that it generates and runs; a
        prototxt may hold any text, so that the argument gets an identifier, and of those the one
        that fx finds free. `self` is the first argument of every `forward`.
        """
        argument = "self_" if name == "self" else identifier(name)
        proxy = self._tracer.create_proxy("placeholder", argument, (), {})
        proxy.node.target = proxy.node.name
        return proxy

    def _add(self, node, place):
        if node.layer.type not in BUILDERS:
            raise place.error(
                "has no plain counterpart here; leave it out of the net that is exported, or name "
                "outputs before it"
            )
        tops = BUILDERS[node.layer.type](place, *(self._values[name] for name in node.inputs))
        tops = list(tops) if isinstance(tops, (list, tuple)) else [tops]
        self._values.update(zip(node.outputs, tops))

    def finish(self, class_name):
        outputs = {name: self._values[name].node for name in self._graph.outputs}
        self._fx.output(outputs if len(outputs) > 1 else next(iter(outputs.values())))
        self._fx.lint()
        name = "".join(part for part in class_name.title() if part.isalnum()) or "Net"
        return torch.fx.GraphModule(self._root, self._fx, name)
