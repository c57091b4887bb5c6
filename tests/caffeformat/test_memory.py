"""Memory limits of both versions of control groups, and the heap of this process."""

import platform
import resource
import subprocess
import sys

import pytest

from caffeformat import available_memory, total_memory

MEMINFO = "MemTotal:       8000 kB\nMemFree:        1000 kB\nMemAvailable:   4000 kB\n"


@pytest.fixture
def machine(tmp_path):
    """A function that makes a root folder with these files (path -> text)."""

    def make(**groups):
        files = {"proc/meminfo": MEMINFO, **groups.get("files", {})}
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return str(tmp_path)

    return make


def test_without_limits_the_machine_counts(machine):
    root = machine()
    assert (total_memory(root), available_memory(root)) == (8000 << 10, 4000 << 10)


def test_a_system_that_reports_nothing(tmp_path):
    assert (total_memory(str(tmp_path)), available_memory(str(tmp_path))) == (None, None)


def test_a_container_of_version_2(machine):
    root = machine(
        files={
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "2048000\n",
            "sys/fs/cgroup/memory.current": "1024000\n",
            "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 24000\n",
        }
    )
    assert (total_memory(root), available_memory(root)) == (2048000, 1048000)


def test_the_smallest_limit_of_nested_groups_counts(machine):
    root = machine(
        files={
            "proc/self/cgroup": "0::/user.slice/job\n",
            "sys/fs/cgroup/user.slice/memory.max": "3000000\n",
            "sys/fs/cgroup/user.slice/memory.current": "2900000\n",
            "sys/fs/cgroup/user.slice/job/memory.max": "max\n",
            "sys/fs/cgroup/user.slice/job/memory.current": "5\n",
        }
    )
    assert (total_memory(root), available_memory(root)) == (3000000, 100000)


def test_version_1_whose_path_is_the_hosts(machine):
    folder = "sys/fs/cgroup/memory"
    root = machine(
        files={
            "proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/docker/abc\n",
            f"{folder}/memory.limit_in_bytes": "4000000\n",
            f"{folder}/memory.usage_in_bytes": "3500000\n",
            f"{folder}/memory.stat": "total_inactive_file 500000\n",
        }
    )
    assert (total_memory(root), available_memory(root)) == (4000000, 1000000)


def test_no_limit_in_version_1_is_a_huge_number(machine):
    folder = "sys/fs/cgroup/memory"
    root = machine(
        files={
            "proc/self/cgroup": "4:memory:/\n",
            f"{folder}/memory.limit_in_bytes": "9223372036854771712\n",
            f"{folder}/memory.usage_in_bytes": "3500000\n",
        }
    )
    assert (total_memory(root), available_memory(root)) == (8000 << 10, 4000 << 10)


def test_more_than_the_limit_in_use_leaves_nothing(machine):
    root = machine(
        files={
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "1000\n",
            "sys/fs/cgroup/memory.current": "2000\n",
        }
    )
    assert available_memory(root) == 0


def test_this_machine():
    free, total = available_memory(), total_memory()
    assert free is None or free > 1 << 20
    assert total is None or free is None or total >= free


COUNT_FAULTS = """
import resource, sys
from caffeformat.memory import keep_freed_blocks, map_blocks_from
if sys.argv[1] == "keep":
    keep_freed_blocks()
else:
    map_blocks_from(1 << 20)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        blocks = [bytearray(4 << 20) for _ in range(5)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()  # the first block has to come from somewhere
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's heap is set")
def test_a_heap_keeps_what_was_freed_or_gives_it_back():
    def faults(how):
        command = [sys.executable, "-c", COUNT_FAULTS, how]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    pages = 20 * (4 << 20) // resource.getpagesize()
    assert faults("keep") < pages / 20
    assert faults("map") >= pages
