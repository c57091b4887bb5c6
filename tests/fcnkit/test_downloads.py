import contextlib
import hashlib
import http.server
import io
import os
import re
import tarfile
import threading
import zipfile

import numpy as np
import pytest

from caffeformat import InputError, write_caffemodel
from caffeformat.files import locked
from fcnkit import downloads
from fcnkit.commands import main
from fcnkit.progress import Progress

CONTENT = bytes(range(256)) * 4096  # 1 MB
SHA1 = "sha1:" + hashlib.sha1(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; hangs up after `server.cut` bytes of an answer, if set."""

    def do_GET(self):
        start = 0
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if self.path in self.server.bare:  # an answer that does not state its length
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.bare[self.path])
            return
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
    server.starts, server.cut, server.bare = [], None, {}
    server.url = f"http://127.0.0.1:{server.server_port}/file"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
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


@pytest.mark.slow
def test_a_file_is_fetched_once(listed, server, tmp_path):
    path = downloads.fetch("thing", tmp_path)
    assert os.listdir(tmp_path) == ["thing.bin"]
    with open(path, "rb") as file:
        assert file.read() == CONTENT
    assert downloads.fetch("Thing", tmp_path) == path
    assert server.starts == [0]


def test_an_interrupted_attempt_is_resumed(listed, server, tmp_path):
    (tmp_path / "thing.bin.unchecked").write_text("of somebody else")
    server.cut = 600_000
    with pytest.raises(InputError, match="run again to resume"):
        downloads.fetch("Thing", tmp_path)
    assert not (tmp_path / "thing.bin").exists()
    server.cut = None
    downloads.fetch("Thing", tmp_path)
    assert (tmp_path / "thing.bin").read_bytes() == CONTENT
    assert sorted(os.listdir(tmp_path)) == ["thing.bin", "thing.bin.unchecked"]
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
    with pytest.raises(InputError, match=r"absent: no such file"):
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


def tar(suffix):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w" + suffix) as archive:
        info = tarfile.TarInfo("a/ImageSets/b.txt")
        info.size = 30_000
        archive.addfile(info, io.BytesIO(os.urandom(30_000)))
    return file.getvalue()


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/b.txt", os.urandom(3000))
    return file.getvalue()


def caffemodel(folder):
    path = folder / "made.caffemodel"
    write_caffemodel(path, {"a": [np.ones(500)], "b": [np.ones(900)]})
    return path.read_bytes()


PAGE = b"\n <!DOCTYPE html><html><body>Quota exceeded</body></html>"


@pytest.mark.parametrize("file", ["a.tar", "a.tgz", "a.tar.gz", "a.zip", "a.caffemodel", "a.bin"])
def test_without_a_checksum_kind_and_end_are_checked(server, tmp_path, monkeypatch, file):
    """Also where the server does not say how long the file is."""
    whole = {
        "a.tar": lambda: tar(""), "a.tgz": lambda: tar(":gz"), "a.tar.gz": lambda: tar(":gz"),
        "a.zip": zipped, "a.caffemodel": lambda: caffemodel(tmp_path), "a.bin": lambda: b"x",
    }[file]()  # fmt: skip
    (tmp_path / "list").write_text(
        f"name,file,url,checksum,license,note\nThing,{file},{server.url},,none,\n"
    )
    monkeypatch.setattr(downloads, "_LIST", tmp_path / "list")
    (tmp_path / "to").mkdir()
    wrong = {"page": PAGE, "nothing": b"", "blanks": b" \n\n"}
    if file != "a.bin":
        wrong |= {"half": whole[: len(whole) // 2], "most": whole[:-9], "other": b"something else"}
    for name, content in wrong.items():
        server.bare["/" + name] = content
        url = server.url.replace("/file", "/" + name)
        with pytest.raises(InputError, match=r"is not (all of )?Thing|cannot be fetched"):
            downloads.fetch("Thing", tmp_path / "to", url=url)
        assert os.listdir(tmp_path / "to") == [], name
        (tmp_path / "given").write_bytes(content)
        with pytest.raises(InputError, match=r"is not (all of )?Thing"):
            downloads.fetch("Thing", tmp_path / "to", from_file=tmp_path / "given")
        (tmp_path / "to" / file).write_bytes(content)
        with pytest.raises(InputError, match="force=True"):
            downloads.fetch("Thing", tmp_path / "to")
        os.remove(tmp_path / "to" / file)
    server.bare["/whole"] = whole
    downloads.fetch("Thing", tmp_path / "to", url=server.url.replace("/file", "/whole"))
    assert (tmp_path / "to" / file).read_bytes() == whole


def test_progress_gets_the_megabytes(listed, server, tmp_path):
    steps = []

    class Shown(Progress):
        def step(self, done, total=None, what="", figures=None):
            steps.append((done, total, what))

    downloads.fetch("Thing", tmp_path, progress=Shown())
    assert steps[-1] == (1, 1, "thing.bin")


@pytest.mark.slow
def test_two_processes_that_fetch_one_file(listed, server, tmp_path):
    with locked(tmp_path / "thing.bin"), pytest.raises(InputError, match="is writing there"):
        downloads.fetch("Thing", tmp_path)
    downloads.fetch("Thing", tmp_path)
    assert os.listdir(tmp_path) == ["thing.bin"]
