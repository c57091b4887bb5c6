"""A model folder's settings come with its model, and damaged ones are named."""

import json

import numpy as np
import pytest
from PIL import Image

from caffeformat import FormatError, parse_text, pb
from fcnkit import images
from fcnkit.commands import infer
from fcnkit.commands.main import run_module
from fcnkit.export import ModelCard, read_onnx_model, write_model_folder

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
pytest.importorskip("safetensors")

NET = """
name: "colours"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 8, 8] } } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 3 kernel_size: 1 bias_term: false } }
"""


@pytest.fixture
def folder(tmp_path):
    palette = np.zeros((256, 3), np.uint8)
    palette[:3] = [[0, 0, 9], [0, 9, 0], [9, 0, 0]]
    weights = {"score": [np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)]}
    card = ModelCard("m", ["blue", "green", "red"], palette, ignore=254)
    prepared = images.Preprocessor([0, 0, 50], 0.5)
    write_model_folder(tmp_path, parse_text(NET, pb.NetParameter), weights, card, prepared)
    return tmp_path


def test_classes_colours_and_preprocessing_come_with_the_model(folder, capsys):
    found, order = read_onnx_model(folder / "model.onnx")
    assert (found.names, found.scale, found.ignore) == (["blue", "green", "red"], 0.5, 254)
    assert found.mean.tolist() == [0, 0, 50] and order == "BGR"
    assert found.palette[2].tolist() == [9, 0, 0]
    image = np.zeros((4, 6, 3), np.uint8)
    image[...] = (60, 0, 20)  # without the mean red would win
    Image.fromarray(image).save(folder / "photo.png")
    given = [str(folder / "photo.png"), "--output", str(folder / "out")]
    given += ["--net", str(folder / "model.onnx")]
    assert run_module(infer, given) == 0
    assert "photo  6x4  blue 100.0%" in capsys.readouterr().out
    assert run_module(infer, [*given, "--force", "--mean", "0"]) == 0
    assert "photo  6x4  red 100.0%" in capsys.readouterr().out
    assert run_module(infer, [*given, "--force", "--channel-order", "RGB"]) == 1
    assert "pass --channel-order BGR" in capsys.readouterr().err


def test_a_model_without_settings_of_its_own_has_none(folder):
    (folder / "model.onnx").rename(folder / "other.onnx")
    assert read_onnx_model(folder / "other.onnx")[0].names is None
    (folder / "config.json").unlink()
    assert read_onnx_model(folder / "other.onnx")[0].mean is None


@pytest.mark.parametrize(
    "change",
    [
        {"id2label": ["a"]},
        {"id2label": {"1": "a"}},
        {"id2label": {str(index): "a" for index in range(300)}},
        {"preprocessing": None},
        {"preprocessing": {"mean": "x", "channel_order": "BGR", "scale": 1, "channels": 3}},
        {"preprocessing": {"mean": None, "channel_order": "XYZ", "scale": 1, "channels": 3}},
        {"palette": [[1, 2, 300]]},
        {"palette": [1, 2]},
        {"palette": [[1, 2, 3]] * 300},
        {"ignore_label": 1e999},
    ],
)
def test_damaged_settings_are_named(folder, change):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(FormatError, match=r"config\.json: .*not the settings of a model"):
        read_onnx_model(folder / "model.onnx")
