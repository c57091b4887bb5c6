import contextlib
import hashlib
import http.server
import os
import re
import threading

import pytest

from caffeformat import InputError
from fcnkit import downloads
from fcnkit.commands import main

CONTENT = bytes(range(256)) * 4096  # 1 MB
SHA1 = "sha1:" + hashlib.sha1(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; hangs up after `server.cut` bytes of an answer, if set."""

    def do_GET(self):
        start = 0
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if self.path != "/file":
            self.send_error(404)
            return
        if match:
            start = int(match.group(1))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.send_response(200)
        self.send_header("ETag", '"one"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.server.starts.append(start)
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(CONTENT[start:][: self.server.cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    pytest.importorskip("gdown")  # which fetches; Debian 11 does not package it
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.starts, server.cut = [], None
    server.url = f"http://127.0.0.1:{server.server_port}/file"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def listed(monkeypatch, server, tmp_path_factory):
    """A list of files with the right checksum, a wrong one, and none."""
    monkeypatch.setitem(downloads._PATIENCE, "retries", 0)
    path = tmp_path_factory.mktemp("list") / "downloads.csv"
    path.write_text(
        "name,file,url,checksum,license,note\n"
        f"Thing,thing.bin,{server.url},{SHA1},none,\n"
        f"Other,other.bin,{server.url},md5:{'0' * 32},none,\n"
        f"unchecked,free.bin,{server.url},,none,\n"
    )
    monkeypatch.setattr(downloads, "_LIST", path)


def test_the_list_is_complete_and_well_formed():
    names = [download.name for download in downloads.known_downloads()]
    assert {
        "VOC2012 trainval",
        "SBD (Berkeley)",
        "bvlc_alexnet",
        "VGG_ILSVRC_16_layers",
        "ResNet-50",
    } <= set(names)
    assert len(names) == len(set(names)) == 29
    for download in downloads.known_downloads():
        assert re.fullmatch(r"https?://\S+", download.url)
        assert re.fullmatch(
            r"|md5:[0-9a-f]{32}|sha1:[0-9a-f]{40}|sha256:[0-9a-f]{8,64}", download.checksum
        )
        assert re.fullmatch(r"[\w.-]+", download.file)


def test_the_beginning_of_a_name_is_enough_if_it_is_unique():
    assert downloads.find_download("voc2012").file == "VOCtrainval_11-May-2012.tar"
    assert downloads.find_download("FCN8s-heavy-pascal").name == "fcn8s-heavy-pascal"
    for name in ("fcn8s", "", "nothing"):
        with pytest.raises(InputError, match="VOC2012 trainval, SBD"):
            downloads.find_download(name)


def test_a_file_is_fetched_once(listed, server, tmp_path):
    path = downloads.fetch("thing", tmp_path)
    assert os.listdir(tmp_path) == ["thing.bin"]
    with open(path, "rb") as file:
        assert file.read() == CONTENT
    assert downloads.fetch("Thing", tmp_path) == path
    assert server.starts == [0]


def test_an_interrupted_attempt_is_resumed(listed, server, tmp_path):
    server.cut = 600_000
    with pytest.raises(InputError, match="run again to resume"):
        downloads.fetch("Thing", tmp_path)
    assert not (tmp_path / "thing.bin").exists()
    server.cut = None
    downloads.fetch("Thing", tmp_path)
    assert (tmp_path / "thing.bin").read_bytes() == CONTENT
    assert os.listdir(tmp_path) == ["thing.bin"]
    assert server.starts[0] == 0 and 0 < server.starts[-1] <= 600_000


def test_a_wrong_checksum_leaves_nothing(listed, server, tmp_path):
    with pytest.raises(InputError, match=r"its md5 is \w+, expected 0000"):
        downloads.fetch("Other", tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_wrong_file_is_kept_unless_forced(listed, tmp_path):
    (tmp_path / "thing.bin").write_bytes(b"mine")
    with pytest.raises(InputError, match="force=True"):
        downloads.fetch("Thing", tmp_path)
    assert (tmp_path / "thing.bin").read_bytes() == b"mine"
    downloads.fetch("Thing", tmp_path, force=True)
    assert (tmp_path / "thing.bin").read_bytes() == CONTENT


def test_the_first_digits_of_a_checksum_decide_if_no_more_are_published(tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    digits = hashlib.sha256(CONTENT).hexdigest()
    thing = downloads.Download("a", "a", "", f"sha256:{digits[:8]}", "", "")
    assert downloads.wrong_checksum(tmp_path / "a", thing) is None
    (tmp_path / "a").write_bytes(CONTENT[:-1])
    assert digits[:8] in downloads.wrong_checksum(tmp_path / "a", thing)


def test_a_local_file_is_taken_by_its_checksum(listed, server, tmp_path):
    (tmp_path / "copy").write_bytes(CONTENT)
    (tmp_path / "other").write_bytes(b"other")
    with pytest.raises(InputError, match=r"other: is not Thing"):
        downloads.fetch("Thing", tmp_path, from_file=tmp_path / "other")
    downloads.fetch("Thing", tmp_path, from_file=tmp_path / "copy")
    assert (tmp_path / "thing.bin").read_bytes() == CONTENT
    assert server.starts == []


def test_unknown_names_dead_links_and_missing_folders_are_reported(listed, server, tmp_path):
    with pytest.raises(InputError, match="Thing, Other, unchecked"):
        downloads.fetch("nothing", tmp_path)
    with pytest.raises(InputError, match=r"404.*thing.bin elsewhere and put it into"):
        downloads.fetch("Thing", tmp_path, url=server.url + "/gone")
    with pytest.raises(InputError, match="expected a folder"):
        downloads.fetch("Thing", tmp_path / "absent")
    with pytest.raises(InputError, match=r"absent: cannot be read"):
        downloads.fetch("Thing", tmp_path, from_file=tmp_path / "absent")


def test_command_reports_what_could_not_be_checked(listed, server, tmp_path, capsys):
    assert main.main(["download", "Thing", "unchecked", "--to", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "thing.bin: sha1 is right" in out
    assert f"free.bin: not checked, as no checksum is published; its {SHA1[:4]}" in out
    assert main.main(["download", "Thing", "unchecked", "--url", server.url]) == 1


def test_command_lists_the_downloads(capsys):
    assert main.main(["download"]) == 0
    out = capsys.readouterr().out
    assert "VOCtrainval_11-May-2012.tar" in out and "checksum: none" in out
