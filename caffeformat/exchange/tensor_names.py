"""Parameters under the names that other frameworks give them: `conv1.weight`, `bn1.running_mean`.

A caffemodel numbers a layer's blobs; a state dict, a safetensors file and an ONNX graph name their
tensors. Apart from the names, BatchNorm's two decayed sums become mean and variance (the third blob
divides them), a BatchNorm and the Scale after it become one normalization with weight and bias, the
blobs of a BN (1 x C x 1 x 1) become vectors, the blob that NVIDIA's BatchNorm does not use is left
out, and the weight of an InnerProduct with `transpose` is transposed.
"""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat.errors import InputError
from caffeformat.messages import bn_kind, has_scale_and_bias
from caffeformat.weights import Weights, arranged_blobs

from .value_graph import scales_of_norms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from caffeformat.messages import pb

    from .value_graph import Graph


_WEIGHT_AND_BIAS = ("weight", "bias")
# Layers with learned parameters -> the names of those
_BLOBS = {
    "BatchNorm": ("running_mean", "running_var"),
    "Bias": ("bias",),
    "Convolution": _WEIGHT_AND_BIAS,
    "Deconvolution": _WEIGHT_AND_BIAS,
    "Embed": _WEIGHT_AND_BIAS,
    "InnerProduct": _WEIGHT_AND_BIAS,
    "Normalize": ("weight",),
    "PReLU": ("weight",),
    "Scale": _WEIGHT_AND_BIAS,
}
_CORRECTION = 2  # index of the blob that is 1 in a BatchNorm of NVIDIA Caffe with scale and bias
_BN_BLOBS = {
    "segnet": _WEIGHT_AND_BIAS,
    "pspnet": (*_WEIGHT_AND_BIAS, "running_mean", "running_var"),
}
# Attributes of torch.fx.GraphModule, which a submodule of the same name would hide; generated code
# calls the module `self`.
_TAKEN = {
    "add_module", "add_submodule", "apply", "bfloat16", "buffers", "call_super_init",
    "children", "code", "compile", "cpu", "cuda", "delete_all_unused_submodules",
    "delete_submodule", "double", "dump_patches", "eval", "extra_repr", "float", "forward",
    "get_buffer", "get_extra_state", "get_parameter", "get_submodule", "graph", "half", "ipu",
    "load_state_dict", "meta", "modules", "mtia", "named_buffers", "named_children",
    "named_modules", "named_parameters", "parameters", "print_readable", "recompile",
    "register_backward_hook", "register_buffer", "register_forward_hook",
    "register_forward_pre_hook", "register_full_backward_hook",
    "register_full_backward_pre_hook", "register_load_state_dict_post_hook",
    "register_load_state_dict_pre_hook", "register_module", "register_parameter",
    "register_state_dict_post_hook", "register_state_dict_pre_hook", "requires_grad_", "self",
    "set_extra_state", "set_submodule", "shape_env", "share_memory", "state_dict",
    "T_destination", "to", "to_empty", "to_folder", "train", "training", "type", "xpu",
    "zero_grad",
}  # fmt: skip


def module_names(graph: Graph) -> dict[str, str]:
    """Layer name -> a unique Python identifier; the same graph gives the same names."""
    names: dict[str, str] = {}
    used = set(_TAKEN)
    for node in graph.nodes:
        name = identifier(node.layer.name)
        while name in used:
            name += "_"
        used.add(name)
        names[node.layer.name] = name
    return names


def identifier(text: str) -> str:
    """A Python identifier like `text`, with `_` in place of characters that are not allowed.

    Modules keep private attributes under names that begin with `_`; such a text gets a prefix.
    """
    name = re.sub(r"\W", "_", text, flags=re.ASCII)
    if name.startswith("_"):
        return f"layer{name}"
    if not name or name[0].isdigit() or keyword.iskeyword(name):
        return f"_{name}"
    return name


def to_tensors(
    graph: Graph, weights: Mapping[str, Sequence[Any]]
) -> dict[str, NDArray[np.float32]]:
    """The parameters in `weights` of `graph`'s layers: tensor name -> float32 array.

    Raises `InputError` for layers whose blobs are missing and for layers whose parameters have no
    name in other frameworks (recurrent ones), so that no blob is left out.
    """
    tensors: dict[str, NDArray[np.float32]] = {}
    found = list(_layers_with_blobs(graph))
    named = {layer.name for layer, _, _ in found}
    for node in graph.nodes:
        if node.layer.name not in named and weights.get(node.layer.name):
            raise InputError(
                f'layer "{node.layer.name}" ({node.layer.type}): the weights have '
                f"{len(weights[node.layer.name])} blob(s) for it, which have no name outside Caffe "
                "and would be lost; remove the layer, or choose an output before it"
            )
    for layer, module, blobs in found:
        found_blobs = arranged_blobs(layer, weights.get(layer.name, ()))
        wanted = _blob_count(layer, blobs)
        arrays: list[NDArray[Any]] = [array for array in found_blobs if array is not None]
        if not len(found_blobs) == len(arrays) == wanted:
            raise InputError(
                f'layer "{layer.name}" ({layer.type}) needs {wanted} blob(s), but the weights have '
                f"{len(arrays)} for it; do they belong to this net?"
            )
        arrays = [np.asarray(array) for array in arrays]
        if _is_nvidia(layer):
            arrays = [array for index, array in enumerate(arrays) if index != _CORRECTION]
        elif layer.type == "BatchNorm":
            arrays = statistics(arrays)
        elif layer.type == "BN":
            arrays = [array.reshape(-1) for array in arrays]
        elif _is_transposed(layer):
            arrays[0] = arrays[0].T
        tensors.update((f"{module}.{name}", array) for name, array in zip(blobs, arrays))
    return tensors


def from_tensors(
    graph: Graph,
    tensors: Mapping[str, ArrayLike],
    sums: Mapping[str, Sequence[NDArray[np.float32]]] | None = None,
) -> Weights:
    """`Weights` from tensors named as by `to_tensors`; other tensors are ignored.

    Statistics become a BatchNorm's three blobs with a weight of 1, unless `sums` (layer name ->
    three arrays) has blobs that represent the same statistics. Raises `InputError` for missing
    tensors.
    """
    weights = Weights(types={node.layer.name: node.layer.type for node in graph.nodes})
    for layer, module, blobs in _layers_with_blobs(graph):
        names = [f"{module}.{name}" for name in blobs[: _blob_count(layer, blobs)]]
        missing = [name for name in names if name not in tensors]
        if missing:
            raise InputError(
                f'layer "{layer.name}" ({layer.type}): there is no tensor "{missing[0]}"; do the '
                "tensors belong to this net?"
            )
        arrays = [np.asarray(tensors[name], np.float32) for name in names]
        if _is_nvidia(layer):
            arrays.insert(_CORRECTION, np.ones(1, np.float32))
        elif layer.type == "BatchNorm":
            arrays = _with_sums(arrays, (sums or {}).get(layer.name))
        elif layer.type == "BN":
            arrays = [array.reshape(1, -1, 1, 1) for array in arrays]
        elif _is_transposed(layer):
            arrays[0] = arrays[0].T
        weights[layer.name] = arrays
    return weights


def statistics(blobs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """[mean, variance] from a BatchNorm's three blobs; both 0 if the third blob is 0."""
    means, variances, weight = blobs
    total = np.float32(weight.reshape(-1)[0])
    factor = total if total == 0 else 1 / total
    return [means * factor, variances * factor]


def _with_sums(
    arrays: list[NDArray[np.float32]], blobs: Sequence[NDArray[np.float32]] | None
) -> list[NDArray[np.float32]]:
    if blobs is not None and all(map(np.array_equal, arrays, statistics(blobs))):
        return list(blobs)
    return [*arrays, np.ones(1, np.float32)]


def _layers_with_blobs(graph: Graph) -> Iterator[tuple[pb.LayerParameter, str, tuple[str, ...]]]:
    """(layer, name of its module, names of its blobs) for each layer of `graph` that has any."""
    names, scales = module_names(graph), scales_of_norms(graph)
    modules = {scale.name: names[norm] for norm, scale in scales.items()}
    for node in graph.nodes:
        layer = node.layer
        if layer.type in ("LSTM", "RNN", "Parameter", "Python"):
            raise InputError(
                f'layer "{layer.name}" ({layer.type}) has no counterpart outside Caffe; '
                "export the net without it"
            )
        if layer.type == "BN":
            yield layer, names[layer.name], _BN_BLOBS[bn_kind(layer)]
        elif _is_nvidia(layer):
            yield layer, names[layer.name], (*_BLOBS["BatchNorm"], *_WEIGHT_AND_BIAS)
        elif layer.type in _BLOBS and not (
            layer.type in ("Scale", "Bias") and len(node.inputs) == 2
        ):
            yield layer, modules.get(layer.name, names[layer.name]), _BLOBS[layer.type]
        elif layer.type == "Scale" and layer.scale_param.bias_term:
            yield layer, names[layer.name], ("bias",)


def _blob_count(layer: pb.LayerParameter, blobs: tuple[str, ...]) -> int:
    """How many blobs the caffemodel has for `layer`, which may be fewer than `blobs` names."""
    if layer.type == "BatchNorm":
        return 5 if _is_nvidia(layer) else 3
    terms: dict[str, Any] = {
        "Convolution": layer.convolution_param,
        "Deconvolution": layer.convolution_param,
        "Embed": layer.embed_param,
        "InnerProduct": layer.inner_product_param,
        "Scale": layer.scale_param,
    }
    with_bias = layer.type not in terms or terms[layer.type].bias_term
    return len(blobs) if with_bias else 1


def _is_nvidia(layer: pb.LayerParameter) -> bool:
    """Whether this is NVIDIA Caffe's BatchNorm of five blobs, with scale and bias in it."""
    return layer.type == "BatchNorm" and has_scale_and_bias(layer)


def _is_transposed(layer: pb.LayerParameter) -> bool:
    return layer.type == "InnerProduct" and layer.inner_product_param.transpose
