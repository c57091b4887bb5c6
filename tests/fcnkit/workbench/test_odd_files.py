"""What may stand where the pages' files are expected: other kinds of files, texts and values."""

import json
import os

import pytest

from caffeformat import InputError
from fcnkit.jobs import State
from fcnkit.workbench.datasets import FINDINGS
from fcnkit.workbench.model_jobs import FCN, NET, RUN
from fcnkit.workbench.networks import MAX_PROTOTXT, net_of_file
from fcnkit.workbench.security import session_key
from fcnkit.workbench.snapshots import snapshots
from fcnkit.workbench.trials import RESULTS, TESTS

TRIAL = "20260101-000000-0000"
# Where pages look for a file, below a job's folder.
PLACES = [
    "log.txt", "progress.json", FINDINGS, "table.csv", f"{FCN}/surgery.txt",
    f"{NET}/train_val.prototxt", f"{RUN}/train.log", f"{RUN}/deploy.prototxt",
    f"{RUN}/inference.json", f"{RUN}/solver.prototxt", f"{RUN}/snapshot_iter_1.caffemodel",
    f"{RUN}/snapshots.json",
    f"{TESTS}/{TRIAL}/{RESULTS}",
]  # fmt: skip
CONTENTS = {
    "no text": b"\xff\xfe\x00{",
    "no object": b"[1]",
    "values": json.dumps(
        {"done": 1e999, "total": "x", "what": 3, "left": [], "figures": [1], "train": 3, "items": 3}
    ).encode(),
    "depth": b'{"a":' * 100_000,
}


def put(path, what):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        os.mkdir(path)
    elif what == "device":
        os.symlink("/dev/zero", path)
    else:
        with open(path, "wb") as file:
            file.write(CONTENTS[what])


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize("what", ["pipe", "folder", "device", *CONTENTS])
def test_pages_tell_what_they_cannot_read(site, what):
    made = {}
    for kind in ("dataset", "model"):
        id_ = made[kind] = site.jobs.new_id()
        site.jobs.add(id_, kind, "x", "cpu", [])
        site.jobs.write(id_, State("running"))
        for place in PLACES:
            put(site.jobs.path(id_, place), what)
    dataset, model = made["dataset"], made["model"]
    for address in ("/", "/index.json", f"/rows.json?ids={dataset},{model}"):
        assert site.get(address).status_code == 200, address
    for id_ in made.values():
        for end in ("live.json", "log.txt", "status"):
            assert site.get(f"/jobs/{id_}/{end}").status_code in (200, 404), end
    for end in ("", "/live.json", "/test", f"/tests/{TRIAL}", "/network.svg", "/download.zip",
                "/download.caffemodel", "/download.onnx", "/layers", ".json"):  # fmt: skip
        status = site.get(f"/models/{model}{end}").status_code
        assert status in (200, 400, 404), (end, status)
    for end in ("", "/explore", ".json"):
        assert site.get(f"/datasets/{dataset}{end}").status_code in (200, 400, 404), end


@pytest.mark.parametrize("what", ["pipe", "folder", "device"])
def test_snapshots_are_files(tmp_path, what):
    put(str(tmp_path / "snapshot_iter_1.caffemodel"), what)
    assert snapshots(str(tmp_path)) == {}


@pytest.mark.parametrize("what", ["pipe", "folder", "device", "no text"])
def test_networks_of_files(tmp_path, what):
    path = str(tmp_path / "net.prototxt")
    put(path, what)
    with pytest.raises(InputError, match="prototxt"):
        net_of_file(path)


def test_huge_networks_and_byte_order_marks(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_bytes(b"\xef\xbb\xbfname: 'x'")
    assert net_of_file(str(path)).name == "x"
    os.truncate(path, MAX_PROTOTXT + 1)
    with pytest.raises(InputError, match="expected at most"):
        net_of_file(str(path))


@pytest.mark.parametrize("what", ["pipe", "folder", "device"])
def test_the_key_of_sessions_is_a_file(tmp_path, what):
    put(str(tmp_path / ".key"), what)
    with pytest.raises(InputError, match="key: is"):
        session_key(str(tmp_path))
