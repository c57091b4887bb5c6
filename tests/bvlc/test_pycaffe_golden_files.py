"""The golden files of pycaffe and of single layers are what BVLC Caffe gives when asked again."""

import json

import numpy as np
import pytest

pytestmark = pytest.mark.bvlc


@pytest.mark.parametrize(
    "script, folder", [("pycaffe_golden.py", "pycaffe"), ("layer_golden.py", "layers_more")]
)
def test_measured_again_they_are_the_same(bvlc, repo, tmp_path, script, folder):
    bvlc.run("python3", repo / "tests/bvlc" / script, tmp_path, cwd=tmp_path)
    files = sorted((repo / "tests/golden" / folder).iterdir())
    assert files
    for path in files:
        if path.suffix == ".json":
            assert json.loads((tmp_path / path.name).read_text()) == json.loads(path.read_text())
            continue
        with np.load(path) as kept, np.load(tmp_path / path.name) as again:
            assert set(kept.files) == set(again.files)
            for key in kept.files:
                if kept[key].dtype.kind == "f":
                    np.testing.assert_allclose(again[key], kept[key], atol=1e-5, err_msg=key)
