"""The commands with which docs/results.md trains Berkeley's stages, run as they stand there."""

import json
import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.usefixtures("needs_engine")


def commands(repo):
    """The shell commands of the section on stages."""
    text = (repo / "docs" / "results.md").read_text(encoding="utf-8")
    _, _, section = text.partition("## 32s, 16s, 8s, one after the other")
    return re.search(r"```sh\n(.*?)```", section, re.S).group(1)


@pytest.mark.slow
def test_first_masks_are_the_previous_ones_and_each_stage_ends_no_worse(repo, tmp_path):
    os.symlink(repo / "prototxt", tmp_path / "prototxt")
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    variables = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    script = commands(repo).replace("benchmarks/", f"{repo}/benchmarks/")
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=variables, check=True)
    with open(tmp_path / "stages" / "stages.json", encoding="utf-8") as file:
        results = json.load(file)
    ends = [result["end"]["mean_iou"] for result in results]
    assert len(results) == 3 and ends == sorted(ends)
    assert all(result["agreement"] >= 0.98 for result in results[1:])
    # Masks of background alone would agree as well; they score 0.14.
    assert ends[0] > 0.4
