"""Whatever message or array: writing and reading back gives the same, and protobuf agrees."""

import math

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from caffeformat import Weights, format_text, parse_text, pb, read_caffemodel, write_caffemodel

SETTINGS = settings(
    deadline=None, max_examples=60, suppress_health_check=list(HealthCheck), database=None
)
RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
SCALARS = {
    **{name: st.integers(*bounds) for name, bounds in RANGES.items()},
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "string": st.text(st.characters(blacklist_categories=["Cs"]), max_size=8),
    "bytes": st.binary(max_size=8),
}
KINDS = {3: "int64", 5: "int32", 13: "uint32", 4: "uint64", 2: "float", 1: "double"}
KINDS.update({8: "bool", 9: "string", 12: "bytes"})


@st.composite
def messages(draw, message_class, depth=3):
    """A message of `message_class` with up to four fields set, messages within messages too."""
    message = message_class()
    fields = [f for f in message.DESCRIPTOR.fields if depth or f.message_type is None]
    chosen = st.lists(st.sampled_from(fields), max_size=4, unique_by=lambda field: field.number)
    for field in draw(chosen) if fields else []:
        holder = getattr(message, field.name)
        count = draw(st.integers(1, 3)) if hasattr(holder, "extend") else None
        for _ in range(count or 1):
            if field.message_type is not None:
                target = holder.add() if count else holder
                target.SetInParent()
                target.CopyFrom(draw(messages(type(target), depth - 1)))
                continue
            if field.enum_type is not None:
                value = draw(st.sampled_from([v.number for v in field.enum_type.values]))
            else:
                value = draw(SCALARS[KINDS[field.type]])
            if count:
                holder.append(value)
            else:
                setattr(message, field.name, value)
    for name in message.FindInitializationErrors():  # as ClipParameter requires its two
        if "." not in name and "[" not in name:
            setattr(message, name, type(getattr(message, name))())
    return message


@pytest.mark.slow
@SETTINGS
@given(st.one_of(messages(pb.NetParameter), messages(pb.SolverParameter)))
def test_text_reads_back_here_and_in_protobuf(message):
    text = format_text(message)
    assert parse_text(text, type(message)) == message
    assert text_format.Parse(text, type(message)()) == message


arrays = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4),
    elements=st.floats(width=32, allow_nan=False),
)
names = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=6)


@pytest.mark.slow
@SETTINGS
@given(st.dictionaries(names, st.lists(arrays, min_size=1, max_size=3), min_size=1, max_size=4))
def test_caffemodels_written_here_are_what_protobuf_reads(tmp_path_factory, weights):
    path = tmp_path_factory.mktemp("w") / "w.caffemodel"
    write_caffemodel(path, Weights(weights, "net", dict.fromkeys(weights, "Type")))
    net = pb.NetParameter.FromString(path.read_bytes())
    assert [(layer.name, layer.type) for layer in net.layer] == [(n, "Type") for n in weights]
    ours = read_caffemodel(path)
    assert list(ours) == list(weights) and ours.name == "net"
    for layer in net.layer:
        for blob, read, written in zip(layer.blobs, ours[layer.name], weights[layer.name]):
            assert tuple(blob.shape.dim) == read.shape == written.shape
            np.testing.assert_array_equal(np.float32(blob.data), written.ravel())
            np.testing.assert_array_equal(read, written)
        assert len(layer.blobs) == len(ours[layer.name]) == len(weights[layer.name])


@st.composite
def blobs(draw):
    """A BlobProto as any release of Caffe may have written it."""
    blob = pb.BlobProto()
    shape = draw(st.lists(st.integers(1, 3), max_size=4))
    if draw(st.booleans()):
        blob.shape.dim.extend(shape)
        blob.shape.SetInParent()
    else:
        shape = ([1] * 4 + shape)[-4:]
        blob.num, blob.channels, blob.height, blob.width = shape
    values = draw(st.lists(st.floats(-9, 9, width=32), min_size=81, max_size=81))
    for name in draw(st.sampled_from([["data"], ["double_data"], ["data", "diff"]])):
        getattr(blob, name).extend(values[: math.prod(shape)])
    return blob


@pytest.mark.slow
@SETTINGS
@given(st.lists(blobs(), min_size=1, max_size=4))
def test_caffemodels_written_by_protobuf_are_read(tmp_path_factory, protos):
    net = pb.NetParameter()
    net.layer.add(name="a", type="Convolution").blobs.extend(protos)
    path = tmp_path_factory.mktemp("w") / "w.caffemodel"
    path.write_bytes(net.SerializeToString())
    for proto, array in zip(protos, read_caffemodel(path)["a"]):
        np.testing.assert_array_equal(array.ravel(), np.float32(proto.double_data or proto.data))
        if proto.HasField("shape"):
            assert array.shape == tuple(proto.shape.dim)
