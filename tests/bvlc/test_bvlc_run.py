"""scripts/bvlc_run.sh: folders are seen inside, results come back, and nothing stays behind."""

import signal
import subprocess
import time

import pytest

pytestmark = pytest.mark.bvlc

# Mounting as root, and copying as where mounting is not allowed.
MODES = pytest.mark.parametrize("mode", [{}, {"BVLC_RUN_MODE": "copies"}], ids=["mounts", "copies"])


@MODES
def test_current_folder_is_shared_and_status_is_handed_on(bvlc, tmp_path, mode):
    folder = tmp_path / "with blank"
    folder.mkdir()
    (folder / "in.txt").write_text("in")
    script = "cp in.txt out.txt; echo changed > in.txt; mkdir sub; touch sub/new; exit 3"
    process = bvlc.run("sh", "-c", script, cwd=folder, check=False, env=mode)
    assert process.returncode == 3, process.stdout
    assert (folder / "out.txt").read_text() == "in"
    assert (folder / "in.txt").read_text() == "changed\n"
    assert (folder / "sub/new").exists()


def test_folder_that_would_hide_debians_own_is_refused(bvlc):
    process = bvlc.run("true", cwd="/usr/share", check=False)
    assert process.returncode == 1
    assert "error: /usr/share: would hide" in process.stdout


def test_killed_command_ends_and_leaves_no_mount(bvlc, repo, tmp_path):
    process = subprocess.Popen(
        [repo / "scripts/bvlc_run.sh", bvlc.root, "sh", "-c", "echo $$ > pid; exec sleep 60"],
        cwd=tmp_path,
    )
    deadline = time.time() + 20
    while not (tmp_path / "pid").exists() and time.time() < deadline:
        time.sleep(0.1)
    assert int((tmp_path / "pid").read_text()) == process.pid  # a signal to one reaches the other
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        assert str(bvlc.root) not in mounts.read()
