"""Networks converted from PyTorch compute in BVLC Caffe what they compute in PyTorch."""

import numpy as np
import pytest

from caffeformat import write_caffemodel, write_text
from fcnkit.images import Preprocessor
from fcnkit.state_dicts import convert

torch = pytest.importorskip("torch")
nets = pytest.importorskip("torch_classifiers")
pytestmark = pytest.mark.bvlc

MODELS = {
    "alexnet": (nets.AlexNet, (224, 224)),
    "vgg_bn": (lambda: nets.VGG(True), (230, 224)),
    "resnet": (nets.ResNet, (98, 75)),
    "googlenet": (nets.GoogLeNet, (75, 90)),
    "squeezenet": (lambda: nets.SqueezeNet("1.1"), (101, 90)),
    "fcn": (nets.FCN, (64, 88)),
}


@pytest.mark.parametrize("name", MODELS)
def test_bvlc_caffe_computes_the_originals_scores(on_engine, tmp_path, name):
    make, size = MODELS[name]
    model = nets.randomize(make())
    made = convert({key: tensor.numpy() for key, tensor in model.state_dict().items()}, size)
    rgb = np.random.RandomState(3).randint(0, 256, (*size, 3)).astype(np.uint8)
    write_text(tmp_path / "net.prototxt", made.net)
    write_caffemodel(tmp_path / "net.caffemodel", made.weights, made.net)
    np.save(tmp_path / "in.npy", Preprocessor(made.mean)(rgb))
    files = ("net.prototxt", "net.caffemodel", "in.npy", "out.npy")
    on_engine("bvlc", "engine_scores.py", *files, cwd=tmp_path)

    pixels = torch.from_numpy(rgb.transpose(2, 0, 1)[None].astype(np.float32)) / 255
    mean, std = (
        torch.tensor(values)[:, None, None]
        for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    with torch.no_grad():
        wanted = model((pixels - mean) / std).numpy()
    found = np.load(tmp_path / "out.npy").reshape(wanted.shape)
    if name == "fcn":
        np.testing.assert_array_equal(found.argmax(1), wanted.argmax(1))
        found, wanted = found[:, :, 4:-4, 4:-4], wanted[:, :, 4:-4, 4:-4]
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()
