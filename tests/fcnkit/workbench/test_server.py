"""The server and the command that starts it: addresses, secrets, one server per folder of jobs."""

import threading
import urllib.request

import pytest

from caffeformat import InputError
from fcnkit.commands import main
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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "pass --password or --token"),
        (["--password", ""], "expected a text"),
        (["--token", "@missing"], "cannot be read"),
        (["--data-root", "missing"], "no such folder"),
        (["--port", "99999999"], "another port"),
    ],
)
def test_mistakes_are_named(tmp_path, capsys, arguments, words):
    command = ["--jobs", str(tmp_path / "jobs"), *arguments]
    assert main.run_module("fcnkit.commands.serve", command) == 1
    assert words in capsys.readouterr().err


def test_the_key_of_sessions_is_kept_and_private(tmp_path):
    for _ in range(2):
        open_server(Settings(str(tmp_path), port=0)).close()
    key = tmp_path / ".key"
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_bytes()) == 32
