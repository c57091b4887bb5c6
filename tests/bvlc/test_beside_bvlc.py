"""The rooms without torch work beside BVLC Caffe, with Debian 11's Python 3.9 and libraries."""

import pytest

pytestmark = pytest.mark.bvlc


@pytest.mark.parametrize("room", ["caffeformat", "fcnkit"])
def test_room_passes_its_own_tests_there(bvlc, repo, room):
    # Not in the repository's root: what `python -c` runs there would find the packages' folders as
    # they lie, instead of as they are installed.
    output = bvlc.run("pytest-3", "-p", "no:cacheprovider", room, cwd=repo / "tests").stdout
    assert " passed" in output


def test_commands_are_listed_and_use_bvlc_caffe(bvlc, tmp_path):
    assert "net_surgery" in bvlc.run("fcnkit", "--help", cwd=tmp_path).stdout
    script = "from fcnkit import engine; print(engine.load().__file__)"
    assert "dist-packages/caffe" in bvlc.run("python3", "-c", script, cwd=tmp_path).stdout


def test_our_schema_and_bvlc_caffes_live_in_one_process(bvlc, tmp_path):
    script = (
        "import caffe, caffeformat; from caffe.proto import caffe_pb2\n"
        "ours = caffeformat.messages.pb.NetParameter(name='n')\n"
        "print(caffe_pb2.NetParameter.FromString(ours.SerializeToString()).name)"
    )
    assert bvlc.run("python3", "-c", script, cwd=tmp_path).stdout.strip() == "n"
