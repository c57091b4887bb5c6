"""`fcnkit export --folder` and DIGITS' archives: whole models, from a training run."""

import json
import re
import shutil
import tarfile

import numpy as np
import pytest
from PIL import Image
from tiny_segmentation import CLASSES, sample, write_dataset, write_solver

from caffeformat import parse_text, pb, read_net
from fcnkit.commands import export, infer, main
from fcnkit.digits import open_model
from fcnkit.images import read_label
from fcnkit.training import Recipe, curves, read_best, run_facts, train

pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")
safetensors_numpy = pytest.importorskip("safetensors.numpy")

MEAN = "60,61,62"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short training run with crops; (its folder, its last snapshot)."""
    here = tmp_path_factory.mktemp("run")
    data = write_dataset(here / "squares")
    solver = write_solver(here, max_iter=20, test_interval=10, snapshot=20)
    patch = pytest.MonkeyPatch()
    patch.setattr(curves, "plot", lambda *_: None)
    outcome = train(Recipe(solver, data, {"flip": True}), str(here / "out"))
    patch.undo()
    return str(here / "out"), outcome.weights


def command(*arguments):
    return main.run_module(export, [*map(str, arguments)])


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "squares"
    net, weights = f"{run[0]}/deploy.prototxt", run[1]
    status = command(
        net, weights, out, "--folder", "--run", run[0], "--licence", "CC-BY-4.0", "--mean", MEAN,
        "--name", "Red | green", "--check-size", "25x31",
    )  # fmt: skip
    assert status == 0
    return out


def test_a_model_folder_holds_what_it_takes(folder):
    names = ["README.md", "config.json", "deploy.prototxt", "model.onnx", "model.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == names
    config = json.loads((folder / "config.json").read_text())
    assert config["id2label"] == dict(zip("012", CLASSES)) and config["num_labels"] == 3
    assert config["label2id"] == {name: index for index, name in enumerate(CLASSES)}
    files = {"file": "model.onnx", "input": "data", "output": "score", "precision": "float32"}
    assert config["onnx"] == files
    settings = config["preprocessing"]
    assert settings["mean"] == [60, 61, 62] and settings["channel_order"] == "BGR"
    assert settings["scale"] == 1 and settings["size"] is None
    tensors = safetensors_numpy.load_file(folder / "model.safetensors")
    assert sorted(tensors) == ["conv1.bias", "conv1.weight", "score.bias", "score.weight"]


def test_the_card_is_filled_from_the_run(folder, run):
    card = (folder / "README.md").read_text()
    head = card.split("---\n")[1]
    assert "license: cc-by-4.0\n" in head and 'name: "Red | green"' in head
    assert "pipeline_tag: image-segmentation" in head and '- type: "mean_iou"' in head
    facts = run_facts(run[0], 20)
    assert set(facts.scores) == {"mean IoU", "pixel accuracy"} and facts.data == "squares"
    assert f"| mean IoU | {facts.scores['mean IoU']:.4f} |" in card
    assert "squares, images: 8 for training and 3 for validation." in card
    assert "of the 3 validation images" in card
    assert "| learning rate | 0.1, policy fixed |" in card and "| steps | 20 of 20 |" in card
    assert "| augmentation | flip yes |" in card
    assert "The weights: CC-BY-4.0." in card


def test_scores_are_those_of_the_snapshot_not_of_a_later_test(run):
    early, late = run_facts(run[0], 10), run_facts(run[0], 20)
    assert early.recipe["steps"] == "10 of 20"
    assert early.scores != late.scores
    assert run_facts(run[0], 0).scores != early.scores


@pytest.mark.slow
def test_the_cards_own_program_paints_what_infer_does(folder, run, tmp_path, monkeypatch, capsys):
    image, _ = sample(np.random.RandomState(5))
    Image.fromarray(image).save(folder / "photo.jpg", quality=100)
    (program,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)
    monkeypatch.chdir(folder)
    found = {}
    exec(compile(program, "README.md", "exec"), found)
    shown = set(capsys.readouterr().out.strip().split(", "))
    assert shown <= set(CLASSES) and len(shown) > 1
    arguments = ["photo.jpg", "-o", str(tmp_path), "--run", run[0], "--mean", MEAN]
    assert main.run_module(infer, arguments) == 0
    np.testing.assert_array_equal(found["mask"], read_label(tmp_path / "photo.png"))
    (folder / "photo.jpg").unlink()


def test_weights_of_a_folder_come_back(folder, run, tmp_path, capsys):
    back = tmp_path / "back.caffemodel"
    assert command(folder / "deploy.prototxt", folder / "model.safetensors", back) == 0
    assert "the same, bit for bit" in capsys.readouterr().out


def test_a_folder_without_a_run_says_what_it_does_not_know(run, tmp_path, capsys):
    out = tmp_path / "model"
    assert command(f"{run[0]}/deploy.prototxt", run[1], out, "--folder", "--no-check") == 0
    card = (out / "README.md").read_text()
    assert "None were measured." in card and "is not stated" in card and "license" not in card
    assert json.loads((out / "config.json").read_text())["id2label"]["2"] == "class 2"
    # What is there stays unless it may be replaced.
    assert command(f"{run[0]}/deploy.prototxt", run[1], out, "--folder") == 1
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize(
    "more, words",
    [
        (["--folder", "--classes", "5"], "5 class names, but the net scores 3 classes"),
        (["--folder", "--argmax"], "--argmax is for files"),
        (["--folder", "--size", "0x3"], "expected height x width"),
        (["--licence", "mit"], "--licence is for model folders"),
    ],
)
def test_what_does_not_go_together_is_refused(run, tmp_path, capsys, more, words):
    out = tmp_path / ("model" if "--folder" in more else "model.onnx")
    try:
        status = command(f"{run[0]}/deploy.prototxt", run[1], out, *more)
    except SystemExit as error:
        status = error.code
    assert status and words in capsys.readouterr().err
    assert not out.exists()


def test_a_run_is_all_that_names_a_model(folder, run, tmp_path):
    net, weights = f"{run[0]}/deploy.prototxt", run[1]
    assert command(tmp_path / "b.onnx", "--run", run[0]) == 0
    assert command("--force", net, weights, tmp_path / "a.onnx") == 0
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    out = tmp_path / "model"
    words = ["--folder", "--licence", "CC-BY-4.0", "--mean", MEAN, "--name", "Red | green"]
    assert command(out, "--run", run[0], *words, "--no-check") == 0
    for path in folder.iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_best_snapshot_of_a_run_can_be_chosen(run, tmp_path, capsys):
    assert command("--run", run[0], "--snapshot", "20", tmp_path / "a.onnx", "--no-check") == 0
    assert command("--run", run[0], "--snapshot", "7", tmp_path / "b.onnx") == 1
    assert "7" in capsys.readouterr().err and not (tmp_path / "b.onnx").exists()


def test_the_card_of_the_best_weights_tells_of_their_step(run, tmp_path):
    words = ["--run", run[0], "--snapshot", "best", "--folder", "--no-check"]
    assert command(tmp_path / "best", *words) == 0
    best = read_best(run[0])
    card = (tmp_path / "best/README.md").read_text()
    assert f"| steps | {best.iteration} of 20 |" in card
    assert f"| mean IoU | {best.mean_iou:.4f} |" in card

    other = tmp_path / "other.caffemodel"
    shutil.copy(run[1], other)
    net = f"{run[0]}/deploy.prototxt"
    assert command(net, other, tmp_path / "other", "--run", run[0], *words[4:]) == 0
    card = (tmp_path / "other/README.md").read_text()
    assert "None were measured." in card and "| steps |" not in card


def test_a_digits_model_is_exported_with_what_it_says(run, tmp_path, capsys):
    archive = tmp_path / "squares.tar.gz"
    settings = ["--mean", MEAN, "--input-scale", "0.5"]
    assert command(archive, "--run", run[0], *settings, "--no-check") == 0
    out = tmp_path / "model"
    assert command("--digits-model", archive, out, "--folder", "--check-size", "25x31") == 0
    config = json.loads((out / "config.json").read_text())
    assert config["id2label"] == dict(zip("012", CLASSES))
    assert config["preprocessing"]["mean"] == [60, 61, 62]
    assert config["preprocessing"]["scale"] == 1  # it is a layer of the archive's net
    capsys.readouterr()
    assert command("--digits-model", archive, "--run", run[0], tmp_path / "x.onnx") == 1
    assert "--run and --digits-model name two networks" in capsys.readouterr().err


@pytest.mark.parametrize("given", [["net.prototxt", "x.onnx"], ["x.onnx"]])
def test_a_network_without_weights_is_refused(tmp_path, monkeypatch, capsys, given):
    monkeypatch.chdir(tmp_path)
    assert command(*given) == 1
    said = capsys.readouterr().err
    assert f"error: {given[0]}: no network with its weights: pass NET WEIGHTS OUTPUT" in said
    assert "--run FOLDER" in said and list(tmp_path.iterdir()) == []


def test_digits_reads_the_archive(run, tmp_path, capsys):
    """The steps of DIGITS' "Upload Archive", and ours of reading a download."""
    out = tmp_path / "squares.tar.gz"
    net = f"{run[0]}/deploy.prototxt"
    assert command(net, run[1], out, "--run", run[0], "--mean", MEAN, "--name", "squares") == 0
    assert "the same, bit for bit" in capsys.readouterr().out
    with tarfile.open(out) as archive:
        names = archive.getnames()
        assert "info.json" in names and all(member.isfile() for member in archive)
        info = json.load(archive.extractfile("info.json"))
        for key in ("snapshot file", "network file", "labels file", "deploy file", "mean file"):
            assert info[key] in names, key
        assert archive.extractfile(info["labels file"]).read().decode().split() == CLASSES
        network = archive.extractfile(info["network file"]).read().decode()
    assert info["framework"] == "caffe" and info["name"] == "squares"
    assert info["snapshot file"] == "snapshot_iter_20.caffemodel"
    height, width, channels = info["image dimensions"]
    assert channels == 3 and height > 0 and width > 0
    # What DIGITS makes a new model of: Data layers by phase, a loss that deployment leaves out.
    whole = parse_text(network, pb.NetParameter)
    assert [layer.type for layer in whole.layer[:4]] == ["Data"] * 4
    assert whole.layer[-1].exclude[0].stage == ["deploy"]
    model = open_model(out)
    assert model.run.names == CLASSES and model.run.scale == 1
    np.testing.assert_array_equal(model.run.mean, [60, 61, 62])


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1, 0.9])
def test_an_archive_segments_as_the_run_does(run, tmp_path, scale):
    image, _ = sample(np.random.RandomState(6))
    Image.fromarray(image).save(tmp_path / "photo.png")
    net, archive = f"{run[0]}/deploy.prototxt", tmp_path / "m.tar.gz"
    settings = ["--mean", "1,2,3", "--input-scale", str(scale)]
    assert command(net, run[1], archive, "--run", run[0], *settings) == 0
    masks = []
    for number, source in enumerate((["--digits-model", archive], ["--run", run[0], *settings])):
        out = tmp_path / str(number)
        arguments = [tmp_path / "photo.png", "-o", out, *source]
        assert main.run_module(infer, [*map(str, arguments)]) == 0
        masks.append(read_label(out / "photo.png"))
    np.testing.assert_array_equal(*masks)
    assert len(np.unique(masks[0])) == 3
    model = open_model(archive)
    deploy = read_net(model.deploy)
    assert [layer.type for layer in deploy.layer].count("Power") == (2 if scale == 1 else 3)


def test_an_archive_of_a_net_that_reads_rgb_is_refused(run, tmp_path, capsys):
    assert command(
        f"{run[0]}/deploy.prototxt", run[1], tmp_path / "m.tar.gz", "--channel-order", "RGB"
    )
    assert "this one reads RGB" in capsys.readouterr().err
    assert not (tmp_path / "m.tar.gz").exists()


def test_a_model_of_one_size_says_so(run, tmp_path, capsys):
    out = tmp_path / "model.onnx"
    net = f"{run[0]}/deploy.prototxt"
    assert command(net, run[1], out, "--size", "24x40") == 0
    said = capsys.readouterr().out
    assert "1x3x24x40" in said and "225" not in said
    session = onnxruntime.InferenceSession(str(out))
    assert session.get_inputs()[0].shape == [1, 3, 24, 40]
    assert session.get_outputs()[0].shape == [1, 3, 24, 40]
    assert command(net, run[1], tmp_path / "w.safetensors", "--size", "24x40") == 1
    assert "are for .onnx" in capsys.readouterr().err
