"""Pages take their share of a machine on which jobs run, and no more."""

import threading
import urllib.request

import pytest

from fcnkit.jobs import State
from fcnkit.workbench import Settings, open_server
from fcnkit.workbench.share import Share


class Clock:
    """Time that only passes where somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.mark.parametrize("cost", [0.002, 0.01, 0.05])
def test_the_share_is_kept_in_the_long_run(cost):
    clock = Clock()
    share = Share(0.05, clock, clock.sleep)
    spent = 0.0
    while clock.now < 600:
        share.wait()
        clock.now += cost
        share.spend(cost)
        spent += cost
    assert 0.04 < spent / clock.now < 0.056


def test_a_page_now_and_then_does_not_wait():
    clock = Clock()
    share = Share(0.05, clock, clock.sleep)
    for _ in range(100):
        before = clock.now
        for _ in range(20):  # a page and its pictures
            share.wait()
            share.spend(0.005)
        assert clock.now == before
        clock.now += 5


def test_no_request_waits_for_ever():
    clock = Clock()
    share = Share(0.05, clock, clock.sleep)
    share.spend(1000)
    share.wait()
    assert clock.now == 1


def test_only_pages_wait_and_only_while_jobs_run(tmp_path, monkeypatch):
    server = open_server(Settings(str(tmp_path / "jobs"), port=0))
    waited = []
    monkeypatch.setattr(server._share, "wait", lambda: waited.append(1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        urllib.request.urlopen(server.address).close()
        assert not waited
        monkeypatch.setattr(server.bench.line, "look", lambda: None)
        server.bench.line.is_busy = True
        urllib.request.urlopen(server.address).close()
        assert len(waited) == 1 and server._share._left < 0.5
        urllib.request.urlopen(server.address + "trash/empty", b"").close()  # leads to the trash
        assert len(waited) == 2
    finally:
        server.close()
        thread.join(10)


def test_the_line_says_whether_a_job_runs(site):
    id_ = site.jobs.new_id()
    site.jobs.add(id_, "model", "x", "cpu", [])
    site.jobs.write(id_, State("done"))
    site.bench.line.look()
    assert not site.bench.line.is_busy
