"""The demo: every step of the job, the page at its end, and nothing of others' removed."""

import functools
import os
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError, Weights, pb, read_caffemodel, read_net, write_caffemodel
from fcnkit import zoo
from fcnkit.commands import demo, main
from fcnkit.demo import report, steps
from fcnkit.images import read_label
from fcnkit.nets import net_parameters
from fcnkit.training import Observer, Outcome

TINY = steps.Sizes(train=4, val=2, classifier_iterations=2, fcn_iterations=2)


class InThisProcess:
    """In place of the demo's worker process, whose start takes longer than all the steps."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def apply_async(self, function, arguments):
        outcome = function(*arguments)
        return types.SimpleNamespace(get=lambda: outcome)


@pytest.mark.slow
def test_the_whole_job_on_a_few_images(tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "_one_worker", InThisProcess)
    lines = []

    class Listener(Observer):
        def note(self, text):
            lines.append(text)

    outcome = steps.run(tmp_path / "demo", seed=1, sizes=TINY, observer=Listener())
    assert {"fcn", "from scratch", "colour"} == set(outcome.boards)
    assert all(len(board.images) == 2 for board in outcome.boards.values())
    assert (
        lines[0].startswith("Generating") and "Net surgery: the classifier becomes an FCN" in lines
    )
    assert any(line.startswith("coercing fc6") for line in outcome.surgery)
    page = Path(report.write(outcome)).read_text(encoding="utf-8")
    # Two images, four pictures each, and three curves, all within the page.
    assert page.count("data:image/png;base64,") == 2 * 4 + 3
    assert "<script" not in page
    assert len(demo.format_comparison(outcome).splitlines()) == 4


class Untrained:
    """In place of `train`: leaves a curve, and weights that are random or those of the start."""

    def __init__(self):
        self.calls = {}

    def __call__(self, recipe, output, start, observer):
        name = os.path.basename(output)
        self.calls[name] = recipe, start
        os.mkdir(output)
        Image.new("RGB", (4, 3)).save(os.path.join(output, "curves.png"))
        network = "shapes_classifier" if name == "classifier" else "fcn_shapes"
        path = os.path.join(output, "last.caffemodel")
        if start.weights:
            weights = read_caffemodel(start.weights)
        else:
            weights = random_weights(read_net(zoo.path(network, "deploy.prototxt")))
        write_caffemodel(path, weights)
        return Outcome(int(dict(recipe.overrides)["max_iter"]), True, path, None)


def random_weights(net):
    random = np.random.RandomState(1)
    weights = Weights(name=net.name)
    for layer, blobs in net_parameters(net):
        arrays = (random.standard_normal(blob.shape) / 20 for blob in blobs)
        weights[layer.name] = [array.astype(np.float32) for array in arrays]
        weights.types[layer.name] = layer.type
    return weights


def test_each_step_starts_from_what_the_previous_ones_left(
    tmp_path, monkeypatch, capsys, needs_engine
):
    train = Untrained()
    monkeypatch.setattr(steps, "train", train)
    monkeypatch.setattr(steps, "_one_worker", InThisProcess)
    one_process = functools.partial(steps.create_lmdb, workers=1)
    monkeypatch.setattr(steps, "create_lmdb", lambda *args, workers: one_process(*args))
    tiny = steps.Sizes(train=2, val=1, classifier_iterations=7, fcn_iterations=5)
    monkeypatch.setattr(demo.demo, "run", functools.partial(steps.run, sizes=tiny))
    folder = tmp_path / "demo"
    assert main.main(["demo", "--output", str(folder), "--seed", "3"]) == 0

    # The classifier learns crops; the FCNs learn the images, one from the classifier's weights.
    recipes = {name: recipe for name, (recipe, _) in train.calls.items()}
    limits = {name: dict(recipe.overrides)["max_iter"] for name, recipe in recipes.items()}
    assert limits == {"scratch": "5", "classifier": "7", "fcn": "5"}
    assert {dict(recipe.overrides)["random_seed"] for recipe in recipes.values()} == {"3"}
    data = [recipes[name].data for name in ("classifier", "scratch", "fcn")]
    assert data == [None, str(folder / "lmdb"), str(folder / "lmdb")]
    net = read_net(folder / "crops" / "train_val.prototxt")
    sources = {layer.include[0].phase: layer.data_param.source for layer in net.layer[:2]}
    assert sources == {pb.TRAIN: str(folder / "crops/train"), pb.TEST: str(folder / "crops/val")}
    assert all((Path(source) / "data.mdb").exists() for source in sources.values())
    starts = [train.calls[name][1].weights for name in ("classifier", "scratch", "fcn")]
    assert starts == [None, None, str(folder / "fcn_shapes.caffemodel")]
    learned = read_caffemodel(folder / "classifier" / "last.caffemodel")
    moved = read_caffemodel(starts[2])
    np.testing.assert_array_equal(moved["conv1"][0], learned["conv1"][0])
    np.testing.assert_array_equal(moved["fc6"][0].ravel(), learned["fc6"][0].ravel())

    # One image, its label and its mask; all is scored and shown.
    (label,) = (folder / "voc" / "val" / "labels").glob("*.png")
    assert read_label(folder / "masks" / label.name).shape == read_label(label).shape
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 4 + 3 and label.stem in page
    out = capsys.readouterr().out
    assert "FCN after net surgery" in out and str(folder / "report.html") in out
    assert out.index("Generating an archive") < out.index("Net surgery") < out.index("Scoring")

    # Only who asks for it replaces an earlier demo.
    assert main.main(["demo", "--output", str(folder)]) == 1
    assert "--force" in capsys.readouterr().err
    steps.clear(folder)
    assert not any(folder.iterdir())


def test_a_demo_ends_at_an_image_without_a_mask(tmp_path, monkeypatch):
    job = steps._Job(str(tmp_path), 1, TINY, Observer(), None)
    os.mkdir(tmp_path / "lmdb")
    dataset = types.SimpleNamespace(split=lambda _: types.SimpleNamespace(ids=["a"]), palette=None)

    class Opened:
        def __init__(self, path):
            assert path == str(tmp_path / "lmdb")

        def __enter__(self):
            return dataset

        def __exit__(self, *_):
            pass

    failed = types.SimpleNamespace(error="a.jpg: is not an image")
    monkeypatch.setattr(steps, "DatasetFolder", Opened)
    monkeypatch.setattr(steps, "Segmenter", lambda *_: None)
    monkeypatch.setattr(steps, "segment_files", lambda *_: [failed])
    with pytest.raises(InputError, match=r"a\.jpg: is not an image"):
        job.segment()


def test_the_report_shows_images_from_the_worst_to_the_best():
    board = steps.Scoreboard(2)
    label = np.zeros((2, 20), np.uint8)
    for right in range(20, 0, -1):
        mask = np.ones_like(label)
        mask[:, :right] = 0
        board.add(str(right), mask, label)
    scores = [board.images[i].mean_iou for i in report._chosen(board)]
    assert len(scores) == 12 and scores == sorted(scores)
    assert scores[0] == min(image.mean_iou for image in board.images) and scores[-1] == 1


def test_a_folder_of_something_else_stays(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    for arguments in ([], ["--force"]):
        assert main.main(["demo", "--output", str(tmp_path), *arguments]) == 1
    assert str(tmp_path) in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_surgery_beats_colour_and_a_start_from_scratch(tmp_path, seed):
    outcome = steps.run(tmp_path / "demo", seed)
    fcn, scratch, colour = (
        steps.foreground_iou(outcome.boards[key]) for key in ("fcn", "from scratch", "colour")
    )
    print(f"seed {seed}: {fcn:.4f}, from scratch {scratch:.4f}, colour {colour:.4f}")
    assert fcn >= 0.75
    assert fcn >= colour + 0.3
    assert fcn > scratch


def test_clear_takes_only_a_demos_folder(tmp_path):
    steps.clear(tmp_path / "nothing")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "shapes.tar").touch()
    (tmp_path / "a" / "lmdb").mkdir()
    steps.clear(tmp_path / "a")
    assert not any((tmp_path / "a").iterdir())
    (tmp_path / "a" / "shapes.tar").touch()
    (tmp_path / "a" / "thesis").touch()
    with pytest.raises(InputError, match="more than a demo leaves \\(thesis\\)"):
        steps.clear(tmp_path / "a")
    assert (tmp_path / "a" / "shapes.tar").exists()
    (tmp_path / "notes").touch()
    with pytest.raises(InputError, match="not a demo's folder"):
        steps.clear(tmp_path)
