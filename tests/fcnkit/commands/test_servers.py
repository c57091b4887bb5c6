"""What `preview` and `serve` say and do around their servers, which are made up."""

import importlib.util
import os
import signal
import types

import pytest

from caffeformat import InputError
from fcnkit.commands import main, preview, serve

if importlib.util.find_spec("waitress") is None or importlib.util.find_spec("flask_wtf") is None:
    pytest.skip("the pages' extra is not installed: fcnkit[web]", allow_module_level=True)


class Server:
    """A server that somebody ends at once."""

    host, port, address = "127.0.0.1", 5081, "http://127.0.0.1:5000/"

    def __init__(self, log):
        self.log = log

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.log.append("closed")

    def serve_forever(self):
        self.log.append("served")
        raise KeyboardInterrupt

    def run(self):
        self.log.append("served")


@pytest.fixture
def log(monkeypatch):
    """What the commands do, in order."""
    found = []
    for command in (preview, serve):
        opened = types.SimpleNamespace(open=lambda address: found.append(address))
        monkeypatch.setattr(command, "webbrowser", opened)
    return found


@pytest.mark.parametrize("host, is_local", [("127.0.0.1", True), ("0.0.0.0", False)])
def test_a_preview_tells_its_address_and_serves_until_ctrl_c(
    log, monkeypatch, capsys, host, is_local
):
    monkeypatch.setattr(preview, "make_server", lambda args: Server(log))
    assert main.run_module(preview, ["--host", host, "--open"]) == 130
    said = capsys.readouterr()
    assert "preview at http://127.0.0.1:5081" in said.out
    assert ("can be reached from the network" in said.err) is not is_local
    assert log[0].startswith("http://127.0.0.1:5081") and log[1:] == ["served", "closed"]


def test_a_preview_is_titled_by_what_it_shows(tmp_path):
    parser = main.command_parser(preview)

    def title(*words):
        return preview._title(parser.parse_args([*map(str, words)]))

    (tmp_path / "net.prototxt").write_text('name: "my net"')
    (tmp_path / "bare.prototxt").write_text('input: "x"')
    assert title() == "preview"
    assert title(tmp_path / "scores.npz", tmp_path / "b.npz") == "scores.npz"
    assert title("--net", tmp_path / "net.prototxt") == "my net"
    assert "bare" in title("--net", tmp_path / "bare.prototxt")
    assert title("--net", tmp_path / "m.onnx") == "m.onnx"
    assert title(os.fsencode(tmp_path / "a").decode() + "/\udcff.npz") == "\ufffd.npz"


@pytest.mark.parametrize("command", [preview, serve])
def test_what_has_to_be_installed_is_named(command, monkeypatch, capsys):
    real = __import__

    def without_flask(name, *rest):
        if name.startswith("fcnkit.web"):
            raise ModuleNotFoundError("No module named 'flask'", name="flask")
        return real(name, *rest)

    monkeypatch.setattr("builtins.__import__", without_flask)
    assert main.run_module(command, []) == 1
    assert "needs flask: pip install 'fcnkit[web]'" in capsys.readouterr().err


def test_a_workbench_gets_its_settings_and_says_where_it_is(log, tmp_path, monkeypatch, capsys):
    handlers, given = {}, []
    monkeypatch.setattr(serve.signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(
        "fcnkit.workbench.open_server", lambda settings: given.append(settings) or Server(log)
    )
    (tmp_path / "secret").write_text("\ufeffswordfish\n", encoding="utf-8")
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    monkeypatch.chdir(tmp_path)
    options = ["--host", "0.0.0.0", "--password", "@secret", "--token", "abc", "--open"]
    assert main.run_module(serve, [*options, "--max-upload", "0", "--data-root", "x"]) == 0
    (settings,) = given
    assert (settings.password, settings.token) == ("swordfish", "abc")
    assert settings.data_roots == ["x"] and settings.max_upload == 1 << 20
    said = capsys.readouterr()
    assert f"jobs in {tmp_path}/jobs" in said.out and "is not encrypted" in said.err
    assert log == [Server.address, "served"]
    with pytest.raises(SystemExit) as ended:  # what SIGTERM does
        handlers[signal.SIGTERM](signal.SIGTERM, None)
    assert ended.value.code == 0
    for wrong in ("latin", "absent"):
        with pytest.raises(InputError, match=f"--token: cannot be read: {wrong}: "):
            serve._secret("--token", f"@{wrong}")
