"""Berkeley's data layers give both engines the same images, in the same order."""

import mat_datasets as made
import numpy as np
import pytest

from caffeformat import pb, write_text

pytest.importorskip("torch")
pytest.importorskip("scipy")
pytestmark = pytest.mark.bvlc

MEAN = (104.00699, 116.66877, 122.67892)
CASES = {
    "SBDDSegDataLayer": (
        "voc_layers",
        ["data", "label"],
        {"sbdd_dir": "benchmark_RELEASE/dataset", "split": "train", "mean": MEAN, "seed": 1337},
    ),
    "NYUDSegDataLayer": (
        "nyud_layers",
        ["color", "hha", "depth", "label"],
        {"nyud_dir": "nyud", "split": "trainval", "tops": ["color", "hha", "depth", "label"]},
    ),
    "SIFTFlowSegDataLayer": (
        "siftflow_layers",
        ["data", "sem", "geo"],
        {"siftflow_dir": "SiftFlow", "split": "trainval", "seed": 1},
    ),
    "PASCALContextSegDataLayer": (
        "pascalcontext_layers",
        ["data", "label"],
        {"voc_dir": "VOCdevkit", "context_dir": ".", "split": "train", "mean": MEAN, "seed": 2},
    ),
}


@pytest.mark.parametrize("layer", CASES)
def test_both_engines_get_the_same_images(on_engine, tmp_path, layer):
    sizes = {"2008_000001": (20, 24), "2008_000002": (24, 20)}
    for files in (
        made.sbd_files([f"2008_{number:06}" for number in range(4)]),
        made.nyud_files(),
        made.siftflow_files(),
        made.voc2010_files({"train": list(sizes)}, sizes),
        made.context_files(sizes),
    ):
        made.write_files(tmp_path, files)
    module, tops, settings = CASES[layer]
    net = pb.NetParameter(name="images")
    message = net.layer.add(name="data", type="Python", top=tops)
    message.python_param.module, message.python_param.layer = module, layer
    message.python_param.param_str = str({"seed": 1337, **settings})
    write_text(tmp_path / "net.prototxt", net)

    for engine in ("bvlc", "torch"):
        on_engine(engine, "engine_batches.py", "net.prototxt", 5, f"{engine}.npz", cwd=tmp_path)
    with np.load(tmp_path / "torch.npz") as ours, np.load(tmp_path / "bvlc.npz") as theirs:
        assert set(ours.files) == set(theirs.files) and len(ours.files) == 5 * len(tops)
        for key in ours.files:
            # Decoders of JPEG differ by a value from release to release.
            atol = 1 if key.startswith("data") else 1e-5
            np.testing.assert_allclose(ours[key], theirs[key], rtol=0, atol=atol, err_msg=key)
