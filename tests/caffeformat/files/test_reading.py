"""Every reader opens regular files of a bounded size, and does not wait for others."""

import ast
import functools
import os
import re
import socket
from pathlib import Path

import pytest

from caffeformat import InputError
from caffeformat.files import check_file, is_stream, open_file, open_text, read_bytes

REPO = Path(__file__).resolve().parents[3]


@pytest.fixture
def odd(tmp_path):
    """A folder with one thing of each kind that is no file."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    return tmp_path


@pytest.mark.parametrize(
    "name, kind",
    [
        ("folder", "is a folder"),
        ("pipe", "is a pipe"),
        ("link", "is a device"),
        ("socket", "is a socket"),
        ("none", "no such file"),
        ("a\0b", "cannot hold NUL"),
        ("x" * 300, "cannot be read: File name too long"),
        ("link/below", "cannot be read: Not a directory"),
    ],
)
@pytest.mark.parametrize("opener", [open_file, open_text, read_bytes, check_file])
def test_what_is_no_file_is_refused_at_once(odd, name, kind, opener):
    with pytest.raises(InputError, match=kind):
        opener(os.path.join(odd, name))


def test_only_streams_are_streams(odd):
    names = ["folder", "pipe", "link", "socket", "none", "a\0b"]
    assert [is_stream(os.path.join(odd, name)) for name in names] == [False] + [True] * 3 + [
        False
    ] * 2


def test_sizes_are_bounded(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a", 5) == read_bytes(os.fsencode(tmp_path / "a")) == b"12345"
    with pytest.raises(InputError, match="has 5 bytes; expected at most 4"):
        read_bytes(tmp_path / "a", 4)
    os.truncate(tmp_path / "a", 1 << 40)  # takes no room on the disk
    with pytest.raises(InputError, match="has 1099511627776 bytes; expected at most 2147483648"):
        read_bytes(tmp_path / "a")


def test_files_that_claim_to_be_empty_are_bounded(tmp_path):
    assert b"Name:" in read_bytes("/proc/self/status")
    with pytest.raises(InputError, match="expected at most 10"):
        read_bytes("/proc/self/status", 10)


def test_text(tmp_path):
    (tmp_path / "a").write_bytes("ä\r\n".encode())
    with open_text(tmp_path / "a") as file:
        assert file.read() == "ä\n"
    with open_text(tmp_path / "a", newline="") as file:
        assert file.read() == "ä\r\n"


# What opens files by name, and where it may be called: these hand over files that `open_file`
# opened, bytes, names that were checked, or names that nobody else chose.
_OPENERS = {
    "open", "io.open", "os.open", "Image.open", "tarfile.open", "tokenize.open", "bz2.open",
    "gzip.open", "lzma.open", "lmdb.open", "np.load", "numpy.load", "np.fromfile", "np.loadtxt",
    "np.genfromtxt", "np.memmap", "zipfile.ZipFile", "h5py.File", "loadmat", "tifffile.TiffFile",
    "onnx.load", "torch.load", "safe_open",
}  # fmt: skip
_ALLOWED = {
    "caffeformat/databases/datum.py": {"Image.open"},
    "caffeformat/databases/environments.py": {"lmdb.open"},
    "caffeformat/databases/reading.py": {"lmdb.open"},
    "caffeformat/memory.py": {"open"},
    "caffeformat/messages/fork_tables.py": {"open"},
    "caffeformat/weights/hdf5.py": {"h5py.File"},
    "caffeformat/weights/hdf5_check.py": {"h5py.File"},
    "fcnkit/commands/main.py": {"open"},
    "fcnkit/data_prep/layouts/exports/tables.py": {"np.load"},
    "fcnkit/datasets/mat_file.py": {"loadmat"},
    "fcnkit/datasets/stored_forms.py": {"Image.open"},
    "fcnkit/demo/generated_shapes.py": {"tarfile.open"},
    "fcnkit/demo/object_crops.py": {"tarfile.open"},
    "fcnkit/downloads.py": {"open", "gzip.open"},
    "fcnkit/engine/comparison.py": {"open", "np.load"},
    "fcnkit/engine/runs.py": {"open"},
    "fcnkit/export/tensor_files.py": {"package.safe_open"},
    "fcnkit/files/archives.py": {"zipfile.ZipFile", "bz2.open"},
    "fcnkit/images/array_files.py": {"zipfile.ZipFile"},
    "fcnkit/images/reading.py": {"Image.open"},
    "fcnkit/images/tiff_files.py": {"tifffile.TiffFile"},
    "fcnkit/state_dicts/formats/pytorch.py": {"zipfile.ZipFile"},
    "fcnkit/web/samples.py": {"zipfile.ZipFile", "np.load"},
    "fcnkit/workbench/downloads.py": {"tarfile.open"},
    "fcnkit/zoo/writing.py": {"open"},
    "torchcaffe/__main__.py": {"tokenize.open"},
    "torchcaffe/core/budget.py": {"open"},
    "torchcaffe/io.py": {"Image.open"},
    "torchcaffe/layers/hdf5.py": {"h5py.File"},
}


# The room whose openers these are.
_ROOMS = ("caffeformat/files/",)
# JSON with huge numbers or depths is an error of ours where these parse it: elsewhere it may only
# be parsed where it is the project's own.
_PARSERS = ("json.load", "json.loads")
_JSON = {
    "caffeformat/apart.py",
    "fcnkit/data_prep/layouts/coco/annotations.py",  # text that was parsed before
    "fcnkit/engine/comparison.py",
    "fcnkit/engine/runs.py",
    "fcnkit/files/json_files.py",
    "fcnkit/losses/options.py",  # of a net's text, and caught there
}


def _opened(calls):
    """Those of `calls` that open a file by name for reading."""
    for node in calls:
        name = ast.unparse(node.func)
        if name not in _OPENERS and name.rpartition(".")[2] not in ("safe_open",):
            continue
        modes = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "mode")]
        mode = next((m.value for m in modes if isinstance(m, ast.Constant)), "r")
        if not str(mode).startswith(("w", "a", "x")):
            yield node.lineno, name


@functools.cache
def _calls():
    """[(place, the calls in its text)] of the product's modules that may open or parse files."""
    last = {name.rpartition(".")[2] for name in (*_OPENERS, *_PARSERS)}
    mentions = re.compile(rf"\b(?:{'|'.join(last)})\s*\(")
    found = []
    for package in ("caffeformat", "torchcaffe", "fcnkit", "berkeley_layers"):
        for path in sorted((REPO / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if mentions.search(text):  # to parse all of them would take a second
                nodes = ast.walk(ast.parse(text))
                calls = [node for node in nodes if isinstance(node, ast.Call)]
                found.append((path.relative_to(REPO).as_posix(), calls))
    return found


def test_every_reader_opens_files_at_one_place():
    wrong = []
    for place, calls in _calls():
        if place.startswith(_ROOMS):
            continue
        for line, name in _opened(calls):
            if name not in _ALLOWED.get(place, ()):
                wrong.append(f"{place}:{line} calls {name}; use caffeformat.files.open_file")
    assert not wrong, "\n".join(wrong)


def test_json_of_others_is_parsed_at_one_place():
    wrong = [
        f"{place}:{node.lineno} calls {ast.unparse(node.func)}; use fcnkit.files.read_json"
        for place, calls in _calls()
        if place not in _JSON
        for node in calls
        if ast.unparse(node.func) in _PARSERS
    ]
    assert not wrong, "\n".join(wrong)
