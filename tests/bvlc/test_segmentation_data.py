"""The joint image and label layer gives both engines the same batches."""

import json

import numpy as np
import pytest
from PIL import Image

from caffeformat import pb, write_text
from fcnkit.images import voc_palette, write_label

pytest.importorskip("torch")
pytestmark = pytest.mark.bvlc


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Five pairs of different sizes in train/images and train/labels."""
    folder = tmp_path_factory.mktemp("dataset")
    random = np.random.RandomState(3)
    for part in ("images", "labels"):
        (folder / "train" / part).mkdir(parents=True)
    for index in range(5):
        height, width = random.randint(24, 48, 2)
        image = random.randint(0, 256, (height, width, 3)).astype(np.uint8)
        Image.fromarray(image).save(folder / f"train/images/{index}.png")
        label = random.choice([0, 1, 2, 255], (height, width)).astype(np.uint8)
        write_label(folder / f"train/labels/{index}.png", label, voc_palette())
    return folder


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": 2, "crop": 32, "flip": True, "shuffle": True, "seed": 5},
        {"batch_size": 3, "crop": [20, 28], "scale": [0.5, 1.5], "mean": [104, 117, 123]},
        {
            "batch_size": 3,
            "crop": [40, 44],
            "base": 40,
            "draw": "uniform",
            "pad": "corner",
            "rotate": 20,
            "blur": [0.8, 1.5],
            "brightness": 0.4,
            "contrast": 0.4,
            "saturation": 0.4,
            "hue": 0.1,
            "interpolation": "cubic",
            "mean": [104, 117, 123],
            "input_scale": 0.02,
        },
    ],
    ids=["whole", "crop, flip, shuffle", "scale, crop, mean", "everything"],
)
def test_both_engines_get_the_same_batches(on_engine, tmp_path, dataset, options):
    net = pb.NetParameter(name="batches")
    layer = net.layer.add(name="data", type="Python", top=["data", "label"])
    layer.python_param.module = "fcnkit.data_layers"
    layer.python_param.layer = "SegmentationData"
    layer.python_param.param_str = json.dumps({"source": str(dataset), **options})
    write_text(tmp_path / "net.prototxt", net)

    for engine in ("bvlc", "torch"):
        on_engine(engine, "engine_batches.py", "net.prototxt", 7, f"{engine}.npz", cwd=tmp_path)
    with np.load(tmp_path / "torch.npz") as ours, np.load(tmp_path / "bvlc.npz") as theirs:
        assert set(ours.files) == set(theirs.files)
        assert len(ours.files) == 14
        for key in ours.files:
            # Pillow rounds an interpolated pixel a little differently from version to version.
            is_sampled = key.startswith("data") and {"scale", "base"} & set(options)
            atol = 3 * options.get("input_scale", 1 / 3) if is_sampled else 0
            np.testing.assert_allclose(ours[key], theirs[key], rtol=0, atol=atol, err_msg=key)
