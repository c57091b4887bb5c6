"""State dicts of four frameworks are read without them, and damaged files are refused."""

import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from state_dict_files import mindspore_bytes, mxnet_bytes

from caffeformat import FormatError, InputError
from caffeformat.messages.wire import encode_bytes, encode_key, encode_varint
from fcnkit.export import tensor_files
from fcnkit.state_dicts import read_state_dict
from fcnkit.state_dicts.formats import pytorch

TENSORS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "bn.count": np.array(7, np.int64),
    "fc.bias": np.array([0.5, -1.5], np.float16),
}


def assert_tensors(found, wanted=TENSORS):
    assert list(found) == list(wanted)
    for name, tensor in wanted.items():
        np.testing.assert_array_equal(found[name], tensor)
        assert found[name].shape == tensor.shape and found[name].dtype == tensor.dtype


def safetensors_bytes(tensors=TENSORS):
    kinds = {"float32": "F32", "int64": "I64", "float16": "F16"}
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        content = tensor.tobytes()
        header[name] = {
            "dtype": kinds[tensor.dtype.name],
            "shape": tensor.shape,
            "data_offsets": [len(data), len(data) + len(content)],
        }
        data += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def torch_bytes(legacy=False, **extra):
    torch = pytest.importorskip("torch")
    tensors = {name: torch.from_numpy(tensor.copy()) for name, tensor in TENSORS.items()}
    file = io.BytesIO()
    torch.save({**tensors, **extra}, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def written(path, data):
    path.write_bytes(data)
    return path


def test_safetensors(tmp_path):
    assert_tensors(read_state_dict(written(tmp_path / "a", safetensors_bytes())))


def test_mindspores_checkpoint(tmp_path):
    assert_tensors(read_state_dict(written(tmp_path / "a", mindspore_bytes(TENSORS))))


def test_mindspores_sizes_of_another_kind_are_refused(tmp_path):
    tensor = encode_key(1, 5) + bytes(4) + encode_bytes(2, b"Float32") + encode_bytes(3, bytes(16))
    entry = encode_bytes(1, b"fc.bias") + encode_bytes(2, tensor)
    with pytest.raises(
        FormatError, match=r"'fc\.bias' has 4 values, which do not fit the shape \(\)"
    ):
        read_state_dict(written(tmp_path / "a", encode_bytes(1, entry)))


@pytest.mark.parametrize("version", [None, 0xF993FAC8, 0xF993FAC9, 0xF993FACA])
@pytest.mark.parametrize("prefix", ["arg:", "aux:", ""])
def test_mxnets_parameters(tmp_path, version, prefix):
    tensors = {name: tensor for name, tensor in TENSORS.items() if tensor.ndim}
    data = mxnet_bytes(tensors, version, prefix)
    assert_tensors(read_state_dict(written(tmp_path / "a", data)), tensors)


def test_bfloat16_becomes_float32_in_every_format(tmp_path):
    values = np.array([1.5, -2.0, 3.140625], np.float32)
    content = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    header = json.dumps({"a": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}).encode()
    message = encode_key(1, 0) + encode_varint(3) + encode_bytes(2, b"BFloat16")
    message += encode_bytes(3, content)
    mxnet = struct.pack("<QQQIiIqiii", 0x112, 0, 1, 0xF993FAC9, 0, 1, 3, 1, 0, 12) + content
    for data in (
        struct.pack("<Q", len(header)) + header + content,
        encode_bytes(1, encode_bytes(1, b"a") + encode_bytes(2, message)),
        mxnet + struct.pack("<QQ", 1, 1) + b"a",
    ):
        assert_tensors(read_state_dict(written(tmp_path / "a", data)), {"a": values})


@pytest.mark.parametrize("legacy", [False, True])
def test_pytorchs_two_forms(tmp_path, legacy):
    assert_tensors(read_state_dict(written(tmp_path / "a", torch_bytes(legacy))))


@pytest.mark.parametrize("legacy", [False, True])
def test_views_parameters_and_training_checkpoints_of_pytorch(tmp_path, legacy):
    torch = pytest.importorskip("torch")
    whole = torch.arange(24.0).reshape(4, 6)
    state = {
        "part": whole[1:3, ::2],
        "turned": whole.t(),
        "parameter": torch.nn.Parameter(whole),
        "brain": torch.tensor([1.5, -2.0]).bfloat16(),
    }
    checkpoint = {"epoch": 3, "best": 0.5, "state_dict": state}
    torch.save(checkpoint, tmp_path / "a", _use_new_zipfile_serialization=not legacy)
    found = read_state_dict(tmp_path / "a")
    wanted = {name: tensor.detach().float().numpy() for name, tensor in state.items()}
    assert_tensors(found, wanted)


@pytest.mark.parametrize("legacy", [False, True])
def test_nothing_in_a_file_of_pytorch_is_run(tmp_path, legacy):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    data = torch_bytes(legacy, evil=Hostile())
    assert_tensors(read_state_dict(written(tmp_path / "a", data)))
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_a_whole_model_is_refused_with_what_to_do(tmp_path, legacy):
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    torch.save(model, tmp_path / "a", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(FormatError, match=r"whole model.*save its state_dict\(\)"):
        read_state_dict(tmp_path / "a")


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("kind", ["safetensors", "mindspore", "mxnet", "zip", "legacy"])
def test_truncated_and_damaged_files_are_refused_or_read(tmp_path, kind):
    mxnet = {name: tensor for name, tensor in TENSORS.items() if tensor.ndim}
    data = {
        "safetensors": safetensors_bytes,
        "mindspore": lambda: mindspore_bytes(TENSORS),
        "mxnet": lambda: mxnet_bytes(mxnet),
        "zip": torch_bytes,
        "legacy": lambda: torch_bytes(legacy=True),
    }[kind]()
    path, refused = tmp_path / "weights", 0
    for cut in range(1, len(data), max(1, len(data) // 60)):
        # MindSpore's form does not say how many tensors there are.
        try:
            found = read_state_dict(written(path, data[:cut]))
        except FormatError as error:
            assert "weights" in str(error)
        else:
            assert kind == "mindspore" and len(found) < len(TENSORS)
    random = np.random.RandomState(0)
    for place in random.randint(0, len(data), 200):
        damaged = data[:place] + bytes([random.randint(256)]) + data[place + 1 :]
        try:
            read_state_dict(written(path, damaged))
        except FormatError:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize(
    "change",
    [
        {"data_offsets": [0]},
        {"data_offsets": [0, 4, 8]},
        {"data_offsets": [0.5, 4.5]},
        {"dtype": ["F32"]},
        {"shape": [float("inf")]},
        {"shape": [0, 10**30], "data_offsets": [0, 0]},
        {"shape": [1] * 99, "data_offsets": [0, 4]},
    ],
)
def test_headers_of_safetensors_that_make_no_sense_are_refused(tmp_path, change):
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **change}
    text = json.dumps({"w": tensor}).encode()
    data = struct.pack("<Q", len(text)) + text + bytes(8)
    with pytest.raises(FormatError, match="odd"):
        read_state_dict(written(tmp_path / "odd", data))


def two_tensors(first, second, size=8, names=("a", "b")):
    """A safetensors file of two tensors with those data_offsets, and `size` bytes of values."""
    entries = [
        f'"{name}": {{"dtype": "F32", "shape": [{(end - begin) // 4}], '
        f'"data_offsets": [{begin}, {end}]}}'
        for name, (begin, end) in zip(names, (first, second))
    ]
    text = ("{" + ", ".join(entries) + "}").encode()
    return struct.pack("<Q", len(text)) + text + bytes(size)


def assert_safetensors_refused(path, data, words):
    """By both readers: of other frameworks' files, and of what was exported."""
    with pytest.raises(FormatError, match=words):
        read_state_dict(written(path, data))
    pytest.importorskip("safetensors")
    with pytest.raises(FormatError, match=words):
        tensor_files.read_safetensors(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (two_tensors((0, 4), (4, 8), names=("a", "a")), "has 'a' twice in one JSON object"),
        (two_tensors((0, 8), (0, 8), names=("a", "a")), "has 'a' twice in one JSON object"),
        (two_tensors((0, 8), (4, 8)), "tensors 'a' and 'b' share bytes, which the format forbids"),
        (two_tensors((4, 8), (4, 8)), "4 bytes before tensor 'a' belong to no tensor"),
        (two_tensors((0, 4), (0, 4), 4), "tensors 'a' and 'b' share bytes"),
        (two_tensors((4, 8), (0, 8)), "tensors 'b' and 'a' share bytes"),
        (two_tensors((0, 4), (8, 12), 12), "4 bytes before tensor 'b' belong to no tensor"),
        (two_tensors((0, 4), (4, 8), 12), "the last 4 bytes belong to no tensor"),
    ],
)
def test_bytes_of_safetensors_belong_to_one_tensor_each(tmp_path, data, words):
    assert_safetensors_refused(tmp_path / "odd.safetensors", data, words)


@pytest.mark.parametrize("size", [1, 5, 7])
def test_safetensors_that_end_before_their_header_are_refused(tmp_path, size):
    pytest.importorskip("safetensors")
    path = written(tmp_path / "a.safetensors", two_tensors((0, 4), (4, 8))[:size])
    with pytest.raises(FormatError, match=r"a\.safetensors: .*truncated"):
        tensor_files.read_safetensors(path)


def test_empty_tensors_of_safetensors_take_no_bytes(tmp_path):
    path = written(tmp_path / "a.safetensors", two_tensors((0, 8), (0, 0)))
    assert {name: tensor.size for name, tensor in read_state_dict(path).items()} == {"a": 2, "b": 0}


def test_two_arrays_of_one_name_in_mxnets_files_are_refused(tmp_path):
    data = mxnet_bytes({"a": np.zeros(2, np.float32), "b": np.ones(2, np.float32)})
    with pytest.raises(FormatError, match="two arrays are called 'a'"):
        read_state_dict(written(tmp_path / "a.params", data.replace(b"arg:b", b"aux:a")))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("shape", [(0, 10**30), (1,) * 99])
def test_shapes_of_pytorch_beyond_numpys_are_refused(tmp_path, monkeypatch, legacy, shape):
    path = written(tmp_path / "odd", torch_bytes(legacy))
    view = pytorch._view
    monkeypatch.setattr(
        pytorch,
        "_view",
        lambda values, offset, _, strides, *rest: view(values, offset, shape, shape, *rest),
    )
    with pytest.raises(FormatError, match="cannot be of shape"):
        read_state_dict(path)


def test_compressed_values_are_refused_before_they_are_unpacked(tmp_path):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(io.BytesIO(torch_bytes())) as source:
        contents = {info.filename: source.read(info) for info in source.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in contents.items():
            target.writestr(name, content)
    with pytest.raises(FormatError, match=r"is not there with .* as stored"):
        read_state_dict(path)


@pytest.mark.parametrize(
    "data, told",
    [
        (b"", "empty"),
        (b"just some text", "expected weights"),
        (pickle.dumps({"a": 1}), r"not one written by torch\.save"),
    ],
)
def test_other_files_are_named(tmp_path, data, told):
    with pytest.raises(FormatError, match=told):
        read_state_dict(written(tmp_path / "thing", data))
    with pytest.raises(InputError, match=r"absent: no such file"):
        read_state_dict(tmp_path / "absent")
