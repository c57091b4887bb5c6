"""The server and the command that starts it: addresses, secrets, one server per folder of jobs."""

import os
import socket
import threading
import urllib.request

import pytest

from caffeformat import InputError
from fcnkit.commands import main, serve
from fcnkit.workbench import Settings, open_server


def test_it_answers_and_ends(tmp_path):
    server = open_server(Settings(str(tmp_path / "jobs"), port=0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    with urllib.request.urlopen(server.address + "index.json") as answer:
        assert answer.read() == b'{"datasets":[],"models":[]}\n'
        assert answer.headers["Server"] == "fcnkit"
    with pytest.raises(InputError, match="another server"):
        open_server(Settings(str(tmp_path / "jobs"), port=0))
    port = int(server.address.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(InputError, match="another port"):
        open_server(Settings(str(tmp_path / "others"), port=port))
    open_server(Settings(str(tmp_path / "others"), port=0)).close()  # nothing holds the folder
    server.close()
    thread.join(10)


def _has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as found:
            found.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["::1", "[::1]", "0:0:0:0:0:0:0:1"])
def test_it_answers_at_addresses_of_ipv6(tmp_path, host):
    server = open_server(Settings(str(tmp_path / "jobs"), host=host, port=0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        port = server.address.rsplit(":", 1)[1]
        for address in (server.address, f"http://[::1]:{port}"):
            with urllib.request.urlopen(address + "index.json") as answer:
                assert answer.status == 200
    finally:
        server.close()
        thread.join(10)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "pass --password or --token"),
        (["--password", ""], "expected a text"),
        (["--token", "@missing"], "cannot be read"),
        (["--token", "@latin"], "is not UTF-8 text"),
        (["--password", "@long"], "expected at most 4096"),
        (["--password", "@blank"], "--password: expected a text, found none"),
        (["--password", "@lines"], "--password: holds a line break"),
        (["--password", "caf\udce9"], "--password: is not UTF-8 text"),
        (["--token", "two words"], "--token: expected letters, digits and signs"),
        (["--token", "caf\u00e9"], "--token: expected letters, digits and signs"),
        (["--token", "@folder"], "is a folder"),
        (["--token", "@pipe"], "is a pipe"),
        (["--data-root", "missing"], "no such folder"),
        (["--port", "99999999"], "another port"),
    ],
)
def test_mistakes_are_named(tmp_path, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin").write_bytes("caf\u00e9".encode("latin-1"))
    (tmp_path / "long").write_bytes(b"x" * 5000)
    (tmp_path / "blank").write_bytes(b" \n")
    (tmp_path / "lines").write_bytes(b"a\nb\n")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    command = ["--jobs", str(tmp_path / "jobs"), *arguments]
    assert main.run_module("fcnkit.commands.serve", command) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("content", ["s\u00e9cret\n", "\ufeffs\u00e9cret\r\n"])
def test_a_secret_may_lie_in_a_file(tmp_path, content):
    (tmp_path / "secret").write_bytes(content.encode())
    assert serve._secret("--password", f"@{tmp_path}/secret") == "s\u00e9cret"


def test_the_key_of_sessions_is_kept_and_private(tmp_path):
    for _ in range(2):
        open_server(Settings(str(tmp_path), port=0)).close()
    key = tmp_path / ".key"
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_bytes()) == 32
