"""`pb` is a module of message classes, and its type stub is current."""

import subprocess
import sys
import types

from caffeformat import pb


def test_pb_is_a_module_with_classes_and_enum_values():
    assert isinstance(pb, types.ModuleType)
    assert (pb.TRAIN, pb.TEST, pb.PoolingParameter.MAX) == (0, 1, 0)
    assert isinstance(pb.NetParameter(name="net"), pb.NetParameter)
    public = {name: value for name, value in vars(pb).items() if not name.startswith("_")}
    assert len(public) > 100
    assert all(isinstance(value, (int, type)) for value in public.values())


def test_the_stub_is_current(repo):
    made = subprocess.run(
        [sys.executable, repo / "docs/make_pb_stub.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
