"""Pickles that ask for much: work, memory, depth. All end in our error within seconds."""

import io
import pickle
import time

import pytest

from caffeformat import FormatError
from fcnkit.files import PICKLE_ERRORS, PlainUnpickler, read_plain_pickle

MANY = 4_000_000
# A tuple that names the one before twice, sixty times over: 2**60 values
NESTED = b"K\x01\x85\x94" + b"".join(b"h%ch%c\x86\x94" % (i, i) for i in range(60))
COLLIDING = b"".join(
    b"\x8a\x10" + (i * (2**61 - 1)).to_bytes(16, "little") + b"N" for i in range(1, 50_000)
)

BOMBS = {
    "nested tuple as key": b"\x80\x04}" + NESTED + b"K\x01s.",
    "nested tuple among keys": b"\x80\x04}(" + NESTED + b"K\x01u.",
    "nested tuple in a dict of a mark": b"\x80\x04(" + NESTED + b"K\x01d.",
    "nested tuple in a set": b"\x80\x04\x8f(" + NESTED + b"\x90.",
    "nested tuple in a frozenset": b"\x80\x04(" + NESTED + b"\x91.",
    "nested tuple in a call of set": b"\x80\x04cbuiltins\nset\n](" + NESTED + b"e\x85R.",
    "nested tuple in an ordered dict": b"\x80\x04ccollections\nOrderedDict\n](]("
    + NESTED + b"K\x01ee\x85R.",
    "colliding keys": b"\x80\x04}(" + COLLIDING + b"u.",
    "memo entries": b"\x80\x04]" + b"\x94" * MANY + b".",
    "lists": b"\x80\x04" + b"]0" * MANY + b".",
    "begun lists": b"\x80\x04" + b"]" * MANY,
    "marks": b"\x80\x04" + b"(" * MANY,
    "deep tuple": b"\x80\x04)" + b"\x85" * MANY + b".",
    "copied set": b"\x80\x02cbuiltins\nset\nq\x00](" + b"".join(
        b"J" + i.to_bytes(4, "little") for i in range(100_000)) + b"e\x85q\x01"
    + b"0h\x00h\x01R0" * 1000 + b"N.",
    "copied state": b"\x80\x02cm\nC\n)\x81q\x00}(" + b"".join(
        b"J" + i.to_bytes(4, "little") + b"N" for i in range(100_000)) + b"uq\x01b"
    + b"0h\x00h\x01b" * 1000 + b".",
    "classes": b"\x80\x02" + b"".join(b"cm\nC%d\n0" % i for i in range(200_000)) + b"N.",
    "bytes that are not there": b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little"),
    "array that is not there": b"\x80\x05\x96" + (1 << 36).to_bytes(8, "little"),
    "text that is not there": b"\x80\x04\x8d" + (1 << 40).to_bytes(8, "little"),
    "frame that is not there": b"\x80\x04\x95" + (1 << 40).to_bytes(8, "little"),
    "long number as text": b"L" + b"9" * 3_000_000 + b"L\n.",
    "long memo number": b"Np" + b"9" * 3_000_000 + b"\n.",
    "memo entry far away": b"\x80\x02Nr\xff\xff\xff\xff.",
    "state of a function": b"\x80\x02ccopy_reg\n_reconstructor\n}X\x01\x00\x00\x00aNsb.",
}  # fmt: skip


# These use up all the operations that a pickle may have, which takes seconds.
SLOW = ("memo entries", "lists", "deep tuple")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in BOMBS]
)
def test_no_pickle_takes_long_or_much(name):
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    try:
        PlainUnpickler(io.BytesIO(BOMBS[name])).load()
        refused = False
    except PICKLE_ERRORS:
        refused = True
    assert refused or name == "memo entry far away"
    assert time.process_time() - begun < 15
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 1 << 20  # KB


def test_errors_name_the_file_and_stay_short(tmp_path):
    path = tmp_path / "status.pickle"
    path.write_bytes(BOMBS["nested tuple as key"])
    with pytest.raises(FormatError, match=r"status\.pickle: cannot be read as .*100 values"):
        read_plain_pickle(path)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_is_read_as_ever(protocol):
    data = {
        ("a", 1, (2.5, None)): [1, -5, 2**63, 10**40], 7: {1, 2}, None: frozenset("xy"),
        "text": "abc", True: {"deep": [[[[[()]]]]]},
    }  # fmt: skip
    found = PlainUnpickler(io.BytesIO(pickle.dumps(data, protocol))).load()
    assert found == data
