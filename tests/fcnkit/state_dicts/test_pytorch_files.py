"""PyTorch's files put together piece by piece: what is said of each part that makes no sense."""

import io
import pickle
import warnings
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from caffeformat import FormatError
from fcnkit.state_dicts import read_state_dict

torch = pytest.importorskip("torch")

VALUES = np.arange(4, dtype=np.float32)
STORAGE = ("storage", torch.FloatStorage, "0", "cpu", 4)


class Values:
    """Stands for a storage: pickled as its identity."""

    def __init__(self, identity):
        self.identity = identity


class Tensor:
    """Pickled as a tensor is: how it is rebuilt from its storage."""

    def __init__(self, identity=STORAGE, offset=0, shape=(2, 2), strides=(2, 1)):
        self.arguments = Values(identity), offset, shape, strides, False, OrderedDict()

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, self.arguments


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.identity if isinstance(value, Values) else None


def pickled(content):
    file = io.BytesIO()
    Pickler(file, 2).dump(content)
    return file.getvalue()


@pytest.fixture
def read(tmp_path):
    """Writes a zip of `content`, with some members replaced or left out, and reads it."""

    def read(content=None, **members):
        path = tmp_path / "model.pth"
        whole = {"data.pkl": pickled({"w": Tensor()} if content is None else content),
                 "byteorder": b"little", "data/0": VALUES.tobytes(), **members}  # fmt: skip
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in whole.items():
                if data is not None:
                    archive.writestr(f"model/{name}", data)
        return read_state_dict(path)

    return read


def test_two_pieces_of_one_name_are_refused(read, tmp_path):
    read()
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "model.pth", "a") as archive:
        warnings.simplefilter("ignore")  # zipfile's, of names that are there
        archive.writestr("model/data/0", (VALUES + 1).tobytes())
    with pytest.raises(FormatError, match=r"model\.pth: holds 'model/data/0' twice"):
        read_state_dict(tmp_path / "model.pth")


def test_the_pieces_make_a_file(read):
    np.testing.assert_array_equal(read()["w"], VALUES.reshape(2, 2))
    part = read({"part": Tensor(offset=1, shape=(2,), strides=(2,)), "epoch": 3})
    assert list(part) == ["part"] and part["part"].tolist() == [1, 3]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"data.pkl": None, "other": b""}, "not one written by torch.save: it lacks data.pkl"),
        ({"constants.pkl": b""}, "a TorchScript program: load it in PyTorch"),
        ({"byteorder": b"big"}, "written on a big-endian machine"),
        ({"data/0": None}, "data/0 is not there with 16 bytes"),
        ({"data/0": VALUES.tobytes()[:-1]}, "data/0 is not there with 16 bytes"),
        ({"data.pkl": b"\x80\x02]"}, "its pickle cannot be read"),
    ],
)
def test_members_that_are_missing_or_wrong(read, members, words):
    with pytest.raises(FormatError, match=words):
        read(**members)


@pytest.mark.parametrize(
    "identity",
    [
        ("storage",),
        ("stuff", *STORAGE[1:]),
        ("storage", torch.nn.Linear, "0", "cpu", 4),
        (*STORAGE, ("1", 0, 2)),  # a view of another storage, as PyTorch 0.3 wrote them
        ("storage", torch.FloatStorage, 0, "cpu", 4),
        ("storage", torch.FloatStorage, "0", "cpu", "4"),
        ("storage", torch.FloatStorage, "0", "cpu", -4),
        ("storage", torch.FloatStorage, "0", "cpu", 1 << 70),
    ],
)
def test_storages_that_cannot_be(read, identity):
    with pytest.raises(FormatError, match=r"its pickle cannot be read: .*storage"):
        read({"w": Tensor(identity)})


@pytest.mark.parametrize(
    "place",
    [
        {"offset": 1},
        {"offset": -1},
        {"shape": (5,), "strides": (1,)},
        {"shape": (2, 2), "strides": (3, 1)},
        {"shape": (2,), "strides": (-1,)},
        {"shape": (2, 2), "strides": (1,)},
        {"shape": [2, 2]},
        {"shape": (True, 2)},
    ],
)
def test_tensors_outside_of_their_values(read, place):
    with pytest.raises(FormatError, match="tensor 'w' lies outside its values: damaged"):
        read({"w": Tensor(**place)})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (5, "holds a int; expected named tensors"),
        ([Tensor()], "holds a list; expected named tensors"),
        ({}, "there are no tensors in it, only an empty dict"),
        ({"epoch": 1, "best": 2}, "there are no tensors in it, only 'epoch', 'best'"),
        ({1: Tensor()}, "there are no tensors in it, only 1"),
    ],
)
def test_files_without_named_tensors(read, content, words):
    with pytest.raises(FormatError, match=words):
        read(content)


LEGACY = [0x1950A86A20F9469CFC6C, 1001, {}]


@pytest.mark.parametrize(
    ("heads", "keys", "values", "words"),
    [
        ([7, 1001, {}], ["0"], VALUES, "not one written by torch.save"),
        ([LEGACY[0], 1002, {}], ["0"], VALUES, "torch.save's format 1002; expected 1001"),
        (LEGACY, ["1"], VALUES, "'1' are not those that its tensors refer to"),
        (LEGACY, ["0"], VALUES[:3], "the file is truncated"),
        (LEGACY, [], VALUES[:0], "the values '0' are missing"),
    ],
)
def test_files_of_older_releases(tmp_path, heads, keys, values, words):
    parts = [pickled(part) for part in (*heads, {"w": Tensor()}, keys)]
    path = tmp_path / "old.pth"
    path.write_bytes(b"".join(parts) + (4).to_bytes(8, "little") + values.tobytes())
    with pytest.raises(FormatError, match=words):
        read_state_dict(path)
