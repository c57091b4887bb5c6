"""How processes that torchrun has started meet and agree, with threads or one process."""

import pickle
import threading

import numpy as np
import pytest
import torch
import torch.distributed as dist

from caffeformat import InputError
from torchcaffe.core import LostSolversError, process
from torchcaffe.solvers import Joined, has_launched, join, joining, local_rank


@pytest.fixture
def store():
    """A store for processes to meet in, without a server of its own."""
    return dist.HashStore()


@pytest.fixture
def alone(launched):
    """This process, joined with nobody else."""
    joined = join()
    yield joined
    if dist.is_initialized():
        joined.close()


def meet(store, count):
    """The names that `count` threads find for their meeting."""
    names = [None] * count

    def come(rank):
        names[rank] = joining._meet(store, rank, count)

    threads = [threading.Thread(target=come, args=(rank,), daemon=True) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    return names


def test_all_meet_under_the_name_that_the_root_made_up(store, monkeypatch):
    monkeypatch.setattr(joining, "_POLL", 0.002)
    first = meet(store, 3)
    assert len(set(first)) == 1
    # Processes that are started anew find the same store, and what earlier ones left in it.
    second = meet(store, 3)
    assert len(set(second)) == 1 and second[0] != first[0]


def test_the_root_waits_for_processes_that_live(store, monkeypatch):
    """One that has told its name and ended does not come; the one after it does."""
    monkeypatch.setattr(joining, "_POLL", 0.002)
    store.set("torchcaffe/here/1", "ended")
    names = []
    root = threading.Thread(target=lambda: names.append(joining._meet(store, 0, 2)), daemon=True)
    root.start()
    store.wait(["torchcaffe/name/ended"])  # it was asked to come
    root.join(0.03)
    assert root.is_alive()
    assert joining._meet(store, 1, 2) == store.get("torchcaffe/name/ended").decode()
    root.join(20)
    assert names == [store.get("torchcaffe/name/ended").decode()]


def test_a_process_knows_that_torchrun_started_it(launched, monkeypatch):
    assert has_launched() and local_rank() == (0, 1)
    monkeypatch.delenv("WORLD_SIZE")
    assert not has_launched()


def test_one_process_joins_with_nobody(alone):
    assert (alone.rank, alone.count, alone.is_root) == (0, 1, True)
    assert (process.solver_rank(), process.solver_count()) == (0, 1)
    assert alone.from_root(lambda: {"a": [1, 2]}) == {"a": [1, 2]}
    values = np.array([[1, 2], [3, 4]])
    np.testing.assert_array_equal(alone.total(values), values)
    assert values.tolist() == [[1, 2], [3, 4]]
    assert alone.any(True) and not alone.any(False)
    assert dist.get_backend() == ("nccl" if joining.current_device().type == "cuda" else "gloo")
    alone.close()
    assert not dist.is_initialized()


def test_work_that_has_begun_is_known_to_those_that_torchrun_starts_next(alone):
    assert not alone.has_begun("run")
    alone.begin("run")
    assert alone.has_begun("run") and not alone.has_begun("another")
    next_one = Joined(alone._store, None)
    assert next_one.has_begun("run")
    without_store = Joined(None, None)
    without_store.begin("run")
    assert not without_store.has_begun("run")


@pytest.mark.parametrize("error", [InputError("wrong"), FileNotFoundError("absent")])
def test_what_the_root_cannot_make_is_its_own_error(alone, error):
    def make():
        raise error

    with pytest.raises(type(error)) as caught:
        alone.from_root(make)
    assert caught.value is error


def test_others_get_what_the_root_made_or_end(alone, monkeypatch):
    alone.is_root = False
    sent = []

    def broadcast(box, root, group):
        assert root == 0
        box[:] = [pickle.dumps(sent.pop())]

    monkeypatch.setattr(joining.dist, "broadcast_object_list", broadcast)
    sent[:] = [(False, "made")]
    assert alone.from_root(lambda: pytest.fail("this is not the root")) == "made"
    sent[:] = [(True, None)]
    with pytest.raises(LostSolversError):
        alone.from_root(lambda: "mine")


def test_an_end_of_another_process_is_a_loss(alone, monkeypatch):
    def lost(*_, **__):
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(joining.dist, "all_reduce", lost)
    with pytest.raises(LostSolversError):
        alone.total(np.ones(2))


def test_a_seed_is_the_roots_once_processes_have_joined(alone, monkeypatch):
    assert joining.shared_seed() == 0  # there is nobody to share one with
    monkeypatch.setattr(process, "_count", 2)

    def from_root(seed, root):
        assert root == 0
        seed.fill_(1234)

    monkeypatch.setattr(joining.dist, "broadcast", from_root)
    with torch.random.fork_rng():
        assert joining.shared_seed() == 1234


@pytest.mark.parametrize(
    "address, here, stays",
    [("127.0.0.1", 4, True), ("127.0.0.1", 2, True), ("localhost", 2, True), ("host", 2, False)],
)
def test_only_processes_of_one_machine_stay_on_it(launched, monkeypatch, address, here, stays):
    """Gloo's own choice of a network would be right between machines."""

    class Met(Exception):
        pass

    def store(*how):
        raise Met(*how)

    for name, value in (("WORLD_SIZE", 4), ("LOCAL_WORLD_SIZE", here), ("MASTER_ADDR", address)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(joining.sys, "platform", "linux")
    stayed = []
    monkeypatch.setattr(joining, "stay_on_this_machine", lambda: stayed.append(True))
    c10d = pytest.importorskip("torch._C._distributed_c10d")
    monkeypatch.setattr(c10d, "TCPStore", lambda *how, **more: store(*how))
    for agent, serves in (("True", False), ("False", True)):
        monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", agent)
        stayed.clear()
        with pytest.raises(Met) as met:
            join()
        assert met.value.args[:4] == (address, launched["MASTER_PORT"], None, serves)
        assert stayed == [True] * stays
    assert process.solver_count() == 4


def test_the_interface_is_that_of_the_system_unless_one_was_chosen(monkeypatch):
    for system, chosen, expected in (
        ("linux", None, "lo"), ("darwin", None, "lo0"), ("linux", "eth1", "eth1"),
        ("win32", None, None),
    ):  # fmt: skip
        monkeypatch.setattr(joining.sys, "platform", system)
        monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
        if chosen:
            monkeypatch.setenv("GLOO_SOCKET_IFNAME", chosen)
        joining.stay_on_this_machine()
        assert joining.os.environ.get("GLOO_SOCKET_IFNAME") == expected
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)


def test_a_pytorch_that_cannot_join_is_said_so(launched, monkeypatch):
    monkeypatch.setattr(joining.dist, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"built without torch\.distributed"):
        join()


def test_a_process_ends_when_the_one_that_started_it_has(monkeypatch):
    class Ended(Exception):
        pass

    def exit_with(status):
        raise Ended(status)

    parents, waited = iter([7, 7, 1]), []
    monkeypatch.setattr(joining.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(joining.os, "_exit", exit_with)
    monkeypatch.setattr(joining.time, "sleep", waited.append)
    with pytest.raises(Ended) as ended:
        joining._watch_parent(7)
    assert ended.value.args == (1,) and len(waited) == 2


def test_it_watches_from_a_thread(monkeypatch):
    watched = threading.Event()
    monkeypatch.setattr(joining, "_watch_parent", lambda parent: watched.set())
    joining.end_with_parent()
    assert watched.wait(10)
