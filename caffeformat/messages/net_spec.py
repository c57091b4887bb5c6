"""Nets written in Python: each layer is a call, each blob an attribute.

    from caffeformat import NetSpec, layers as L, params as P
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 3, 64, 64]))
    n.conv1 = L.Convolution(n.data, num_output=8, kernel_size=3, weight_filler=dict(type="xavier"))
    n.relu1 = L.ReLU(n.conv1, in_place=True)
    n.pool1 = L.Pooling(n.relu1, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    net = n.to_proto()

It works like pycaffe's net_spec. Keywords are fields of the layer's own parameter message if that
has them, otherwise of the LayerParameter. Messages are dicts, repeated fields lists. `ntop` and
`in_place` specify the tops. A layer is named after the attribute to which its first top is
assigned.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from caffeformat.errors import InputError

from . import pb
from .text import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from google.protobuf.message import Message


# Types whose parameters are in another type's message
_BORROWED = {
    "Deconvolution": "convolution_param",
    "ImageSegData": "image_data_param",
    "Im2col": "convolution_param",
    "LSTM": "recurrent_param",
    "RNN": "recurrent_param",
}


_WHOLE = frozenset([
    FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
])  # fmt: skip


def _parameter_fields() -> dict[str, str]:
    """Layer type -> its own field of LayerParameter (`Convolution` -> `convolution_param`)."""
    found = {}
    for field in pb.LayerParameter.DESCRIPTOR.fields:
        if field.message_type is not None and field.name.endswith("_param"):
            found[field.message_type.name[: -len("Parameter")]] = field.name
    return {**found, **_BORROWED}


_PARAMETER_FIELDS = _parameter_fields()


class Top:
    """An output of a layer, for use as another layer's bottom."""

    def __init__(self, layer: LayerCall, index: int) -> None:
        self.layer, self.index = layer, index

    # the names that pycaffe's tops have

    @property
    def fn(self) -> LayerCall:
        """The layer that makes this top."""
        return self.layer

    @property
    def n(self) -> int:
        """Which of its layer's tops this is, from 0."""
        return self.index

    def to_proto(self) -> pb.NetParameter:
        """The net that computes this top, as a NetParameter."""
        return to_proto(self)


class LayerCall:
    """A call that makes a layer: its type, bottoms and settings."""

    def __init__(self, type_name: str, bottoms: Sequence[Top], settings: Mapping[str, Any]) -> None:
        for index, bottom in enumerate(bottoms):
            if not isinstance(bottom, Top):
                raise TypeError(f"{type_name} input {index} is not a Top (type is {type(bottom)})")
        self.type_name, self.bottoms, self.settings = type_name, bottoms, dict(settings)
        count = self.settings.pop("ntop", 1)
        self.in_place = self.settings.pop("in_place", False)
        if self.in_place and (count != 1 or not bottoms):
            raise TypeError(f"{type_name}: in_place needs a bottom and exactly one top")
        self.tops = tuple(Top(self, index) for index in range(count))

    # the names that pycaffe's functions have

    @property
    def inputs(self) -> Sequence[Top]:
        """The tops that this layer uses."""
        return self.bottoms

    @property
    def params(self) -> dict[str, Any]:
        """The layer's settings as passed."""
        return self.settings

    @property
    def ntop(self) -> int:
        """How many tops the layer has."""
        return len(self.tops)


class NoTopError(AttributeError, KeyError):
    """A net under construction has no top of that name: pycaffe raises a `KeyError`."""

    def __str__(self) -> str:
        return str(self.args[0])


class NetSpec:
    """A net under construction: assign tops (or layers without tops) to attributes or items.

    `to_proto()` returns the NetParameter, with layers in the order of assignment but after the
    layers they need. Reading an attribute returns the top assigned to it.
    """

    tops: dict[str, Any]

    def __init__(self) -> None:
        object.__setattr__(self, "tops", {})

    # Any value, as in pycaffe: some scripts assign a tuple of tops and replace it afterwards.
    def __setattr__(self, name: str, top: Any) -> None:
        self.tops[name] = top

    def __getattr__(self, name: str) -> Any:
        tops = self.__dict__.get("tops", {})
        if name not in tops:
            raise NoTopError(f'no top "{name}" in this net.{nearest(str(name), map(str, tops))}')
        return tops[name]

    def __setitem__(self, name: str, top: Any) -> None:
        self.__setattr__(name, top)

    def __getitem__(self, name: str) -> Any:
        return self.__getattr__(name)

    def __delattr__(self, name: str) -> None:
        self.__getattr__(name)
        del self.tops[name]

    def __delitem__(self, name: str) -> None:
        self.__delattr__(name)

    # the names that the NetSpec of SSD's fork has

    def keys(self) -> list[str]:
        """The names assigned so far."""
        return list(self.tops)

    def vals(self) -> list[Any]:
        """The tops (and layers without tops) assigned so far."""
        return list(self.tops.values())

    def update(self, name: str, params: Mapping[str, Any]) -> None:
        """Set more settings of the layer that makes the top `name`."""
        top = self.__getattr__(name)
        (top if isinstance(top, LayerCall) else top.layer).settings.update(params)

    def to_proto(self) -> pb.NetParameter:
        """The NetParameter of all layers assigned so far and of what they need.

        A top with two names gets the last one. Raises `TypeError` for anything else than tops.
        """
        for name, top in self.tops.items():
            if not isinstance(top, (Top, LayerCall)):
                raise TypeError(f'"{name}" is a {type(top).__name__}; expected a layer\'s top')
        return _build(self.tops)


def to_proto(*tops: Top | LayerCall) -> pb.NetParameter:
    """The NetParameter that computes `tops`, with names made from the layers' types."""
    return _build({}, tops)


def _build(
    named: Mapping[str, Top | LayerCall], more: Iterable[Top | LayerCall] = ()
) -> pb.NetParameter:
    names = {top: name for name, top in named.items()}
    net = pb.NetParameter()
    blobs: dict[Top | LayerCall, str] = {}
    numbers: collections.Counter[str] = collections.Counter()
    for top in [*named.values(), *more]:
        _add_layer(net, top if isinstance(top, LayerCall) else top.layer, names, blobs, numbers)
    return net


def _add_layer(
    net: pb.NetParameter,
    call: LayerCall,
    names: dict[Top | LayerCall, str],
    blobs: dict[Top | LayerCall, str],
    numbers: collections.Counter[str],
) -> None:
    """Add to `net` the layers that `call` needs, then `call`; `blobs` maps tops to blob names."""
    waiting = [call]
    while waiting:
        call = waiting[-1]
        missing = [bottom.layer for bottom in call.bottoms if bottom not in blobs]
        if missing:
            waiting += missing[::-1]
            continue
        waiting.pop()
        if call in blobs:
            continue
        blobs[call] = ""
        layer = net.layer.add(type=call.type_name)
        layer.bottom.extend(blobs[bottom] for bottom in call.bottoms)
        for top in call.tops:
            name = blobs[call.bottoms[0]] if call.in_place else _name(top, call, names, numbers)
            blobs[top] = name
            layer.top.append(name)
        layer.name = _name(call.tops[0] if call.tops else call, call, names, numbers)
        _set_fields(layer, call.settings)


def _name(
    thing: Top | LayerCall,
    call: LayerCall,
    names: dict[Top | LayerCall, str],
    numbers: collections.Counter[str],
) -> str:
    if thing not in names:
        numbers[call.type_name] += 1
        names[thing] = f"{call.type_name}{numbers[call.type_name]}"
    return names[thing]


def _set_fields(layer: pb.LayerParameter, settings: Mapping[str, Any]) -> None:
    own = _PARAMETER_FIELDS.get(layer.type)
    for name, value in settings.items():
        target: Any = layer
        if own is not None and not name.endswith("param"):
            param = getattr(layer, own)
            target = param if name in param.DESCRIPTOR.fields_by_name else layer
        try:
            assign_proto(target, name, value)
        except (TypeError, ValueError) as error:
            raise InputError(f'layer "{layer.name}" ({layer.type}): {name}: {error}') from None


def assign_proto(message: Message, name: str, value: Any) -> None:
    """Set the field `name`: a dict fills a message, a list (or one item) a repeated field."""
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        known = message.DESCRIPTOR.fields_by_name
        raise ValueError(f'{message.DESCRIPTOR.name} has no field "{name}".{nearest(name, known)}')
    if isinstance(value, float) and field.cpp_type in _WHOLE:
        raise TypeError(f"{value} is a float; write // where Python 2's / gave a whole number")
    target = getattr(message, name)
    if hasattr(target, "extend"):
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if field.message_type is None:
                target.append(item)
            else:
                _fill(target.add(), item)
    elif field.message_type is not None:
        target.SetInParent()
        _fill(target, value)
    else:
        setattr(message, name, value)


def _fill(message: Message, value: Any) -> None:
    if not isinstance(value, dict):
        message.CopyFrom(value)
        return
    for name, item in value.items():
        assign_proto(message, name, item)


def param_name_dict() -> dict[str, str]:
    """Layer type -> the field of its parameter message, without `_param`."""
    return {name: field[: -len("_param")] for name, field in _PARAMETER_FIELDS.items()}


class Layers:
    """`layers.Convolution(bottom, num_output=8, ...)` makes a layer of that type.

    Returns its top, a tuple of its `ntop` tops, or the layer itself if it has none.
    """

    def __getattr__(self, type_name: str) -> Callable[..., Any]:
        if type_name.startswith("__"):
            raise AttributeError(type_name)

        def make(*bottoms: Top, **settings: Any) -> Top | LayerCall | tuple[Top, ...]:
            call = LayerCall(type_name, bottoms, settings)
            if not call.tops:
                return call
            return call.tops[0] if len(call.tops) == 1 else call.tops

        return make


class Parameters:
    """`params.Pooling.MAX` is `pb.PoolingParameter.MAX`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(pb, name + "Parameter")


layers = Layers()
params = Parameters()
