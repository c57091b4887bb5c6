import collections
import io
import os
import pickle
import struct

import numpy as np
import pytest
from digits_folders import train_task, write_job

from caffeformat import FormatError, InputError
from fcnkit.datasets import read_job
from fcnkit.files import Record, plain_pickle, read_plain_pickle


class Hostile:
    """Asks the unpickler to make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", range(5))
def test_hostile_pickles_call_nothing(tmp_path, protocol):
    made = tmp_path / "made"
    (tmp_path / "p").write_bytes(pickle.dumps({"a": Hostile(str(made))}, protocol))
    found = read_plain_pickle(tmp_path / "p")
    assert not made.exists()
    assert isinstance(found["a"], Record)
    assert found["a"].class_name.endswith(".mkdir")
    assert found["a"].arguments == (str(made),)


def test_pickles_that_name_functions_by_hand_call_nothing(tmp_path):
    made = tmp_path / "made"
    for text in (
        f"cposix\nmkdir\n(V{made}\ntR.",
        f"(V{made}\niposix\nmkdir\n.",
        f"(cposix\nmkdir\nV{made}\no.",
        f"c__builtin__\neval\n(V__import__('os').mkdir({str(made)!r})\ntR.",
    ):
        (tmp_path / "p").write_bytes(text.encode())
        read_plain_pickle(tmp_path / "p")
        assert not made.exists()


def test_plain_data_comes_back(tmp_path):
    value = {"a": [1, 2.5, None, True, "é"], "b": (collections.OrderedDict(x=1), {3})}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "p").write_bytes(pickle.dumps(value, protocol))
        assert read_plain_pickle(tmp_path / "p") == value


def test_text_of_python_2_is_utf_8(tmp_path):
    (tmp_path / "p").write_bytes(b"(dp0\nS'name'\np1\nS'\\xc3\\xa9t\\xc3\\xa9'\np2\ns.")
    assert read_plain_pickle(tmp_path / "p") == {"name": "été"}


def test_damaged_pickles_are_refused(tmp_path):
    whole = pickle.dumps({"a": list(range(100)), "b": np.zeros(5)}, 2)
    for end in range(0, len(whole) - 1, 7):
        (tmp_path / "p").write_bytes(whole[:end])
        with pytest.raises(FormatError, match="pickle"):
            read_plain_pickle(tmp_path / "p")


def test_a_huge_number_in_a_pickle_takes_no_memory(tmp_path):
    # LONG_BINPUT with the largest index, BINBYTES8 and BYTEARRAY8 of 2**60 bytes.
    (tmp_path / "p").write_bytes(b"\x80\x02Nr\xff\xff\xff\xff.")
    assert read_plain_pickle(tmp_path / "p") is None
    for code in (b"\x8e", b"\x96"):
        (tmp_path / "p").write_bytes(b"\x80\x05" + code + struct.pack("<Q", 1 << 60) + b"x.")
        with pytest.raises(FormatError):
            read_plain_pickle(tmp_path / "p")


def test_large_files_are_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_pickle, "MAX_BYTES", 10)
    (tmp_path / "p").write_bytes(pickle.dumps("a" * 100))
    with pytest.raises(InputError, match="larger"):
        read_plain_pickle(tmp_path / "p")


def test_objects_of_numpy_are_kept_as_records():
    data = pickle.dumps(np.arange(3), 2)
    found = plain_pickle.PlainUnpickler(io.BytesIO(data), encoding="utf-8", errors="replace").load()
    assert isinstance(found, Record)


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_a_job_s_facts_are_read(tmp_path, protocol):
    palette = [0, 0, 0, 9, 8, 7] + [0] * 762
    task = train_task(use_mean="image", snapshots=[("/jobs/x/snapshot_iter_5.caffemodel", 1)])
    write_job(
        tmp_path,
        protocol=protocol,
        _name="my set",
        dataset_id="20160101-000000-abcd",
        extension_userdata={"class_labels": ["a", "é"], "color_palette": palette},
        tasks=[train_task(), task],
    )
    job = read_job(tmp_path)
    assert job.class_name == "digits.dataset.GenericImageDatasetJob"
    assert (job.name, job.dataset_id) == ("my set", "20160101-000000-abcd")
    assert job.class_names == ["a", "é"]
    assert job.palette[1].tolist() == [9, 8, 7]
    assert (job.mean_kind, job.snapshots) == ("image", ["snapshot_iter_5.caffemodel"])


@pytest.mark.parametrize(
    "userdata",
    [
        None,
        "text",
        {"class_labels": "abc", "color_palette": "abc"},
        {"class_labels": [object()], "color_palette": [1, 2]},
        {"class_labels": ["a"] * 300, "color_palette": [300, 0, 0]},
        {"class_labels": [], "color_palette": [0] * 771},
    ],
)
def test_values_that_make_no_sense_are_left_aside(tmp_path, userdata):
    write_job(tmp_path, protocol=2, extension_userdata=userdata, tasks="none")
    job = read_job(tmp_path)
    assert job.class_names is None and job.palette is None and job.snapshots == []
