"""`fcnkit export --int8` and `--half`: models of lower precision, and what they cost."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from tiny_segmentation import net_text, sample, write_dataset, write_solver

from caffeformat import LmdbWriter, array_to_datum, read_caffemodel, read_net, write_caffemodel
from fcnkit import engine
from fcnkit.commands import export, infer, main, score
from fcnkit.images import read_image, read_label, voc_palette, write_label
from fcnkit.training import Recipe, curves, train

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

# Two convolutions more than the net of the task has, with a BatchNorm to fold.
DEEPER = """
layer { name: "deep1" type: "Convolution" bottom: "small" top: "deep1"
  convolution_param { num_output: 24 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "norm" type: "BatchNorm" bottom: "deep1" top: "deep1" }
layer { name: "scale" type: "Scale" bottom: "deep1" top: "deep1" scale_param { bias_term: true } }
layer { name: "deep1_relu" type: "ReLU" bottom: "deep1" top: "deep1" }
layer { name: "deep2" type: "Convolution" bottom: "deep1" top: "deep2"
  convolution_param { num_output: 24 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "deep2_relu" type: "ReLU" bottom: "deep2" top: "deep2" }
layer { name: "conv1" type: "Convolution" bottom: "deep2" top: "conv1"
"""
SHALLOW = 'layer { name: "conv1" type: "Convolution" bottom: "small" top: "conv1"\n'
KINDS = {"--int8": "int8", "--half": "float16"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trained net: (folder of the run, weights, data folder)."""
    here = tmp_path_factory.mktemp("precision")
    data = write_dataset(here / "squares", train=12, val=4)
    text = net_text().replace(SHALLOW, DEEPER)
    assert text != net_text()
    solver = write_solver(here, text, max_iter=30, test_interval=30, snapshot=30)
    patch = pytest.MonkeyPatch()
    patch.setattr(curves, "plot", lambda *_: None)
    outcome = train(Recipe(solver, data, {"flip": True}), str(here / "out"))
    patch.undo()
    return str(here / "out"), outcome.weights, data


def command(run, output, *arguments):
    folder, weights, _ = run
    return main.run_module(
        export, [f"{folder}/deploy.prototxt", weights, *map(str, (output, *arguments))]
    )


def refused(capsys, run, output, *arguments):
    """What the command says where it refuses; nothing is written."""
    assert command(run, output, *arguments) == 1
    assert not os.path.exists(output)
    return " ".join(capsys.readouterr().err.split())


@pytest.fixture(scope="module")
def models(run, tmp_path_factory):
    """kind -> (model, what the command found)."""
    here = tmp_path_factory.mktemp("models")
    made = {}
    for option, kind in KINDS.items():
        path, found = here / f"{kind}.onnx", here / f"{kind}.json"
        arguments = ("--run", run[0], "--calibrate", run[2], "--json", found, "--no-check")
        assert command(run, path, option, *arguments) == 0
        made[kind] = (path, json.loads(found.read_text()))
    assert command(run, here / "float32.onnx", "--no-check") == 0
    made["float32"] = (here / "float32.onnx", None)
    return made


def types_of(path):
    """name -> type of the initializers of a model."""
    model = onnx.load(path)
    return {t.name: onnx.TensorProto.DataType.Name(t.data_type) for t in model.graph.initializer}


def test_integers_have_a_scale_per_channel_and_seven_bits(models):
    model = onnx.load(models["int8"][0])
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    for layer in ("deep1", "deep2", "conv1"):
        weights, scales = tensors[f"{layer}.weight_quantized"], tensors[f"{layer}.weight_scale"]
        assert weights.dtype == np.int8 and abs(weights.astype(int)).max() <= 64
        assert scales.shape == weights.shape[:1] and len(set(scales.tolist())) > 1
    assert tensors["score.weight"].dtype == np.float32  # the last one decides between classes
    assert not [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    assert not model.metadata_props
    onnx.checker.check_model(model, full_check=True)


def test_half_precision_is_float16_but_for_inputs_and_outputs(models):
    types = types_of(models["float16"][0])
    assert {types[f"{layer}.weight"] for layer in ("deep1", "conv1", "score")} == {"FLOAT16"}
    graph = onnx.load(models["float16"][0]).graph
    onnx.checker.check_model(str(models["float16"][0]), full_check=True)
    assert {v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)} == {1}


@pytest.mark.parametrize("kind", KINDS.values())
def test_masks_agree_and_the_file_is_smaller(models, kind):
    path, found = models[kind]
    assert found["precision"] == kind and found["images"] == 4
    assert 0.99 <= found["equal_pixels"] <= 1
    assert found["after"]["bytes"] == path.stat().st_size < found["before"]["bytes"]
    assert abs(found["after"]["mean_iou"] - found["before"]["mean_iou"]) < 0.02


@pytest.mark.parametrize("kind", KINDS.values())
def test_the_table_says_what_score_says(models, run, kind, tmp_path):
    for model, what in ((kind, "after"), ("float32", "before")):
        arguments = ["--net", models[model][0], "--data", run[2], "--json", tmp_path / model]
        assert main.run_module(score, [*map(str, arguments), "--classes", "3"]) == 0
        scored = json.loads((tmp_path / model).read_text())
        assert scored["mean_iou"] == models[kind][1][what]["mean_iou"]


def test_it_is_read_by_infer(models, run, tmp_path):
    images = f"{run[2]}/val/images"
    masks = {}
    for kind in ("int8", "float32"):
        arguments = ["--net", models[kind][0], images, "-o", tmp_path / kind, "--classes", "3"]
        assert main.run_module(infer, [*map(str, arguments)]) == 0
        masks[kind] = np.array(
            [read_label(path) for path in sorted((tmp_path / kind).glob("*[0-9].png"))]
        )
    assert masks["int8"].shape == masks["float32"].shape == (4, 24, 32)
    assert (masks["int8"] == masks["float32"]).mean() > 0.99


def test_images_inside_the_model_and_one_size(run, tmp_path):
    path, found = tmp_path / "m.onnx", tmp_path / "m.json"
    for option in KINDS:
        inside = (option, "--preprocess", "--argmax", "--size", "24x32", "--run", run[0])
        arguments = ("--calibrate", f"{run[2]}/val", "--calibration-images", 2, "--json", found)
        assert command(run, path, *inside, *arguments, "--force") == 0
        graph = onnx.load(path).graph
        assert graph.input[0].name == "image" and graph.input[0].type.tensor_type.elem_type == 2
        assert graph.output[0].name == "class_map"


def test_a_model_folder_in_lower_precision(run, tmp_path):
    out = tmp_path / "folder"
    assert command(run, out, "--folder", "--int8", "--calibrate", run[2], "--run", run[0]) == 0
    assert json.loads((out / "config.json").read_text())["onnx"]["precision"] == "int8"
    assert "| computes in | int8 |" in (out / "README.md").read_text()
    assert types_of(out / "model.onnx")["deep1.weight_quantized"] == "INT8"
    back = tmp_path / "back.caffemodel"
    net = f"{run[0]}/deploy.prototxt"
    assert main.run_module(export, [net, str(out / "model.safetensors"), str(back)]) == 0
    arguments = ["--net", str(out / "model.onnx"), "--data", run[2]]
    assert main.run_module(score, arguments) == 0


def test_calibration_from_databases_and_folders(run, tmp_path, capsys):
    images, labels = (f"{run[2]}/val/{kind}" for kind in ("images", "labels"))
    pair = tmp_path / "pair"
    for kind in ("features", "labels"):
        with LmdbWriter(str(pair / kind)) as writer:
            for name in sorted(os.listdir(images)):
                read = read_image(f"{images}/{name}")[:, :, ::-1].transpose(2, 0, 1)
                array = read if kind == "features" else read_label(f"{labels}/{name}")[None]
                writer.put(name.encode(), array_to_datum(array).SerializeToString())
    alone = tmp_path / "alone"
    shutil.copytree(pair / "features", alone)
    found = {}
    for name, arguments in {
        "split": [f"{run[2]}/val"],
        "pair": [pair],
        "features": [pair / "features"],
        "labels": [images, "--labels", labels],
        "alone": [alone],
        "images": [images],
    }.items():
        path = tmp_path / f"{name}.json"
        arguments = ["--run", run[0], "--no-check", "--json", path, "--calibrate", *arguments]
        assert command(run, tmp_path / f"{name}.onnx", "--int8", *arguments) == 0
        found[name] = json.loads(path.read_text())
        assert found[name]["equal_pixels"] == found["split"]["equal_pixels"]
        has_labels = name not in ("alone", "images")
        assert (found[name]["after"]["mean_iou"] is not None) == has_labels
    assert "mean IoU" not in capsys.readouterr().out.rsplit("on 4 images", 1)[1]


def test_a_folder_of_voc(run, tmp_path):
    lists = tmp_path / "VOC/ImageSets/Segmentation"
    lists.mkdir(parents=True)
    for kind in ("JPEGImages", "SegmentationClass"):
        (tmp_path / "VOC" / kind).mkdir()
    random = np.random.RandomState(1)
    for i in range(5):
        image, label = sample(random)
        Image.fromarray(image).save(tmp_path / f"VOC/JPEGImages/{i}.jpg", quality=95)
        if i < 4:  # the last has no label and is in no list
            write_label(tmp_path / f"VOC/SegmentationClass/{i}.png", label, voc_palette())
    (lists / "train.txt").write_text("0\n1\n")
    (lists / "val.txt").write_text("2\n3\n")
    arguments = ("--run", run[0], "--calibrate", tmp_path / "VOC", "--json", tmp_path / "j")
    assert command(run, tmp_path / "m.onnx", "--int8", *arguments, "--no-check") == 0
    found = json.loads((tmp_path / "j").read_text())
    assert found["images"] == 2 and found["after"]["mean_iou"] > 0.5


def test_json_alone_on_the_standard_output(run, tmp_path, capfd):
    arguments = ("--half", "--json", "-", "--no-check")
    assert command(run, tmp_path / "m.onnx", *arguments) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["images"] == 3 and found["after"]["mean_iou"] is None  # of noise


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--int8"], "pass --calibrate"),
        (["--int8", "--half"], "two precisions"),
        (["--calibrate", "."], "--calibrate is for --int8 and --half"),
        (["--json", "x"], "--json is for --int8 and --half"),
        (["--half", "--labels", "."], "--labels are those of the images of --calibrate"),
        (["--int8", "--calibrate", "EMPTY"], "EMPTY: there are no images in it"),
        (["--int8", "--calibrate", "MISSING"], "MISSING: no such folder"),
        (["--int8", "--calibrate", "EMPTY", "--labels", "EMPTY"], "EMPTY: there are no images"),
    ],
)
def test_wrong_combinations(capsys, run, tmp_path, arguments, words):
    (tmp_path / "EMPTY").mkdir()
    arguments = [str(tmp_path / text) if text.isupper() else text for text in arguments]
    assert words in refused(capsys, run, tmp_path / "m.onnx", *arguments)


def test_only_onnx_has_a_lower_precision(capsys, run, tmp_path):
    for name in ("w.safetensors", "w.tar.gz", "w.caffemodel", "w.pt"):
        assert ".onnx" in refused(capsys, run, tmp_path / name, "--half")


def test_a_weight_outside_float16_names_its_layer(capsys, run, tmp_path):
    net = read_net(f"{run[0]}/deploy.prototxt")
    weights = read_caffemodel(run[1])
    weights["conv1"] = [weights["conv1"][0] * np.float32(1e7), *weights["conv1"][1:]]
    path = str(tmp_path / "large.caffemodel")
    write_caffemodel(path, weights, net)
    said = refused(capsys, (run[0], path, run[2]), tmp_path / "m.onnx", "--half", "--no-check")
    assert "layer 'conv1'" in said and "65504" in said


def test_activations_outside_float16_are_not_passed_over(capsys, run, tmp_path):
    net = read_net(f"{run[0]}/deploy.prototxt")
    weights = read_caffemodel(run[1])
    weights["conv1"] = [weights["conv1"][0] * np.float32(3e4), *weights["conv1"][1:]]
    path = str(tmp_path / "large.caffemodel")
    write_caffemodel(path, weights, net)
    said = refused(capsys, (run[0], path, run[2]), tmp_path / "m.onnx", "--half", "--no-check")
    assert "layer 'conv1': values reach" in said and "65504" in said


def test_without_onnxruntime(capsys, run, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    arguments = ("--half", "--no-check")
    assert "onnxruntime" in refused(capsys, run, tmp_path / "m.onnx", *arguments)


@pytest.mark.slow
def test_infer_and_score_compute_in_bfloat16(run, tmp_path):
    masks, scores = {}, {}
    for kind in ("float32", "bfloat16"):
        network = ["--run", run[0], "--precision", kind]
        out, found = str(tmp_path / kind), str(tmp_path / f"{kind}.json")
        assert main.run_module(infer, [f"{run[2]}/val/images", "-o", out, *network]) == 0
        assert main.run_module(score, ["--data", run[2], "--json", found, *network]) == 0
        scores[kind] = json.loads((tmp_path / f"{kind}.json").read_text())["mean_iou"]
        paths = sorted((tmp_path / kind).glob("*[0-9].png"))
        masks[kind] = np.array([read_label(path) for path in paths])
    assert len(masks["float32"]) == 4 and (masks["float32"] == masks["bfloat16"]).mean() > 0.98
    assert scores["bfloat16"] == pytest.approx(scores["float32"], abs=0.05)


def test_a_precision_of_the_engine_is_none_of_onnx_models(capsys, models, run, tmp_path):
    network = ["--net", str(models["float32"][0]), "--precision", "bfloat16"]
    out = str(tmp_path / "out")
    assert main.run_module(infer, [f"{run[2]}/val/images", "-o", out, *network]) == 1
    assert "--precision bfloat16 is the engine's" in " ".join(capsys.readouterr().err.split())


def test_a_command_leaves_the_precision_as_it_was(run, tmp_path):
    data, out = f"{run[2]}/val/images", str(tmp_path / "out")
    for more in ([], ["--runtime", "onnxruntime"]):  # the second one is refused
        main.run_module(infer, [data, "-o", out, "--run", run[0], "--precision", "bfloat16", *more])
        net = engine.open_net(f"{run[0]}/deploy.prototxt")
        net.blobs["data"].data[...] = 1 + 2**-12  # which bfloat16 rounds to 1
        whole = np.array(net.forward()[net.outputs[0]])
        net.blobs["data"].data[...] = 1
        assert (np.array(net.forward()[net.outputs[0]]) != whole).any()


def test_a_net_of_one_convolution_has_nothing_to_compute_in_integers(capsys, tmp_path):
    net = tmp_path / "net.prototxt"
    net.write_text(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 '
        'dim: 8 } } } layer { name: "score" type: "Convolution" bottom: "data" top: "score" '
        "convolution_param { num_output: 2 kernel_size: 1 } }"
    )
    weights = {"score": [np.ones((2, 3, 1, 1), np.float32), np.zeros(2, np.float32)]}
    write_caffemodel(str(tmp_path / "w.caffemodel"), weights, read_net(str(net)))
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "black.png")
    output = tmp_path / "m.onnx"
    arguments = [net, tmp_path / "w.caffemodel", output, "--int8", "--calibrate", tmp_path]
    assert main.run_module(export, [*map(str, arguments), "--no-check"]) == 1
    said = " ".join(capsys.readouterr().err.split())
    # The model is made in a folder of its own, which is nobody's business.
    assert f"error: {tmp_path / 'm.onnx'}: there is nothing to compute in integers" in said
    assert not output.exists()
