import csv
import json
import os

import numpy as np
import pytest
from engine_runtime import of_the_engine
from PIL import Image
from tiny_segmentation import CLASSES, net_text

from caffeformat import InputError, Weights, parse_text, pb, write_caffemodel
from fcnkit import engine
from fcnkit.commands import main
from fcnkit.images import read_label, voc_palette, write_label
from fcnkit.inference import ConfusionMatrix, Segmenter

pytestmark = pytest.mark.usefixtures("needs_engine")

# score = (60 - red - green, red - 60, green - 60) in the net's shifted and scaled input, BGR.
KERNEL = np.zeros((8, 3, 3, 3), np.float32)
KERNEL[0, 2, 1, 1] = KERNEL[1, 1, 1, 1] = 1
SCORES = np.zeros((3, 8, 1, 1), np.float32)
SCORES[1, 0], SCORES[2, 1], SCORES[0, :2] = 1, 1, -1


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with a net and weights that tell red from green."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(net_text())
    write_weights("red_green.caffemodel")
    return tmp_path


def write_weights(path, score="score", classes=3):
    blobs = {
        "conv1": [KERNEL, np.zeros(8, np.float32)],
        score: [SCORES[:classes], np.array([0.5, 0, 0], np.float32)[:classes]],
    }
    types = dict.fromkeys(blobs, "Convolution")
    net = parse_text(net_text(), pb.NetParameter)
    write_caffemodel(path, Weights(blobs, name=net.name, types=types))


NETWORK = ["--net", "net.prototxt", "--weights", "red_green.caffemodel"]


def infer(*arguments):
    return main.run_module("fcnkit.commands.infer", [*arguments, "-o", "out", *NETWORK])


def score(*arguments):
    return main.run_module("fcnkit.commands.score", list(arguments))


def two_colours(height, width):
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2, 0] = 220
    image[:, width // 2 :, 1] = 220
    return image


@pytest.mark.slow
def test_masks_have_each_image_s_own_size_and_hold_indices(here, data, capsys):
    classes = os.path.join(data, "classes.txt")
    Image.fromarray(two_colours(30, 41)).save("a.png")
    Image.fromarray(two_colours(17, 16)).save("b.jpg")
    assert infer("a.png", "b.jpg", "--classes", classes) == 0
    mask = Image.open("out/a.png")
    assert mask.mode == "P" and mask.size == (41, 30)
    assert mask.getpalette()[3:6] == [128, 0, 0]
    indices = np.asarray(mask)
    assert (indices[:, :20] == 1).all() and (indices[:, 20:] == 2).all()
    assert Image.open("out/b.png").size == Image.open("out/b_overlay.png").size == (16, 17)
    with open("out/a.json") as file:
        shares = json.load(file)
    assert (shares["width"], shares["height"]) == (41, 30)
    assert [(c["index"], c["name"]) for c in shares["classes"]] == [(2, "green"), (1, "red")]
    assert shares["classes"][0]["share"] == pytest.approx(21 / 41)
    assert "a  41x30  green 51.2%, red 48.8%" in capsys.readouterr().out


@pytest.mark.slow
def test_folders_keep_their_paths_and_grey_rgba_cmyk_are_read(here):
    os.makedirs("in/deep")
    image = Image.fromarray(two_colours(12, 14))
    image.convert("L").save("in/grey.png")
    image.convert("RGBA").save("in/deep/alpha.png")
    image.convert("CMYK").save("in/ink.jpg")
    assert infer("in") == 0
    assert Image.open("out/deep/alpha.png").size == (14, 12)
    assert (np.asarray(Image.open("out/deep/alpha.png"))[:, :7] == 1).all()
    assert os.path.exists("out/grey.png") and os.path.exists("out/ink_overlay.png")


@pytest.mark.slow
def test_the_mean_and_channel_order_reach_the_net(here):
    image = two_colours(8, 8)
    Image.fromarray(image).save("a.png")
    infer("a.png", "--mean", "0,0,0")
    assert read_label("out/a.png")[0, 0] == 1
    infer("a.png", "--force", "--channels", "RGB")
    assert read_label("out/a.png")[0, 0] == 0
    infer("a.png", "--force", "--mean", "0,0,250")
    assert read_label("out/a.png")[0, 0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_scores_are_saved_with_what_they_belong_to(here, kind):
    Image.fromarray(two_colours(9, 10)).save("a.png")
    assert infer("a.png", "--save-scores", kind) == 0
    with np.load("out/a_scores.npz") as saved:
        assert saved["scores"].dtype == kind and saved["scores"].shape == (3, 9, 10)
        assert str(saved["blob"]) == "score" and str(saved["image"]) == "a.png"
        assert saved["shape"].tolist() == [3, 9, 10]
        assert np.array_equal(saved["scores"].argmax(0), read_label("out/a.png"))


@pytest.mark.slow
def test_scaled_down_images_still_get_full_masks(here):
    Image.fromarray(two_colours(60, 100)).save("a.png")
    assert infer("a.png", "--scale-to", "50", "--save-scores") == 0
    mask = read_label("out/a.png")
    assert mask.shape == (60, 100)
    assert (mask[:, :48] == 1).all() and (mask[:, 52:] == 2).all()
    with np.load("out/a_scores.npz") as saved:
        assert saved["scores"].shape == (3, 30, 50)


@pytest.mark.slow
def test_a_turned_photograph_gets_an_upright_mask(here):
    pixels = two_colours(20, 30)
    Image.fromarray(pixels).save("plain.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).transpose(Image.ROTATE_90).save("turned.png", exif=exif)
    assert infer("plain.png", "turned.png") == 0
    assert np.array_equal(read_label("out/turned.png"), read_label("out/plain.png"))
    assert json.loads((here / "out/turned.json").read_text())["width"] == 30


@pytest.mark.slow
def test_files_that_are_left_out_are_named(here, capsys):
    os.makedirs("photos/more")
    Image.fromarray(two_colours(20, 30)).save("photos/a.png")
    for name in ("photos/b.heic", "photos/more/c", "photos/.hidden"):
        (here / name).write_bytes(b"x")
    assert infer("photos") == 0
    assert "photos: left out b.heic and 1 more: no image by its suffix" in capsys.readouterr().err


def test_one_colour_map_holds_for_masks_and_labels(here, capsys):
    for folder, white in (("masks", 5), ("labels", 9)):
        os.makedirs(folder)
        mask = np.zeros((10, 10), np.uint8)
        mask[:white] = 255
        Image.fromarray(mask).save(f"{folder}/a.png")
    options = ["--predictions", "masks", "--labels", "labels", "--classes", "2", "--json", "-"]
    assert score(*options, "--colour-map", "binary") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["pixel_accuracy"] == pytest.approx(0.6)


@pytest.mark.slow
def test_a_broken_image_is_told_and_the_others_are_segmented(here, capsys):
    Image.fromarray(two_colours(9, 9)).save("a.png")
    (here / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    assert infer("broken.jpg", "a.png") == 1
    assert "error: broken.jpg" in capsys.readouterr().out
    assert os.path.exists("out/a.png") and not os.path.exists("out/broken.png")


def test_weights_of_another_net_are_told_once_not_for_each_image(here, capsys):
    (here / "net.prototxt").write_text(net_text().replace("num_output: 8", "num_output: 9"))
    for name in ("a.png", "b.png"):
        Image.fromarray(two_colours(9, 9)).save(name)
    assert infer("a.png", "b.png") == 1
    captured = capsys.readouterr()
    assert (captured.out + captured.err).count("blob 0 of layer 'conv1'") == 1


@pytest.mark.slow
def test_results_are_kept_unless_forced(here, capsys):
    Image.fromarray(two_colours(9, 9)).save("a.png")
    os.mkdir("out")
    (here / "out/a.png").write_bytes(b"mine")
    assert infer("a.png") == 1
    assert "would be overwritten" in capsys.readouterr().err
    assert (here / "out/a.png").read_bytes() == b"mine"
    assert infer("a.png", "--force") == 0
    assert read_label("out/a.png").shape == (9, 9)


def test_images_of_one_name_are_refused(here, capsys):
    os.mkdir("other")
    for path in ("a.png", "other/a.png", "a_overlay.png"):
        Image.fromarray(two_colours(9, 9)).save(path)
    assert infer("a.png", "other/a.png") == 1
    assert "both become a.png" in capsys.readouterr().err
    assert infer("a.png", "a_overlay.png") == 1
    assert "both write a_overlay.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.png"], ["none.png", "no such image"]),
        (["empty"], ["empty", "no images"]),
        (["a.png", "--mean", "1,2"], ["mean has 2 channels", "--mean"]),
        (["a.png", "--output-blob", "scores"], ["'scores'", "conv1"]),
        (["a.png", "--classes", "two.txt"], ["2 class names", "3 classes"]),
        (["a.png", "--palette", "none.txt"], ["none.txt"]),
    ],
)
def test_wrong_arguments_are_named(here, capsys, arguments, words):
    Image.fromarray(two_colours(9, 9)).save("a.png")
    os.mkdir("empty")
    (here / "two.txt").write_text("one\ntwo\n")
    assert infer(*arguments) == 1
    captured = capsys.readouterr()
    said = captured.err + captured.out
    assert "error: " in said and all(word in said for word in words)


@pytest.mark.slow
def test_scores_of_another_size_than_the_image_are_refused(here, capsys):
    (here / "net.prototxt").write_text(net_text().replace("pad: 1", "pad: 1 stride: 2"))
    Image.fromarray(two_colours(20, 30)).save("a.png")
    assert infer("a.png") == 1
    assert "'score' is 3x10x15 for an image of 30x20" in capsys.readouterr().out


def test_images_larger_than_memory_are_refused_with_a_way_out(here, monkeypatch, capsys):
    Image.fromarray(two_colours(400, 500)).save("a.png")
    monkeypatch.setattr("fcnkit.engine.memory.available_memory", lambda: 4 << 20)
    assert infer("a.png") == 1
    assert "--scale-to" in capsys.readouterr().out


def test_layers_without_weights_are_told(here, capsys):
    write_weights("red_green.caffemodel", score="scoring")
    Image.fromarray(two_colours(9, 9)).save("a.png")
    infer("a.png")
    assert "no weights for score" in capsys.readouterr().err


@pytest.mark.slow
def test_weights_that_are_no_numbers_are_told(here, capsys, monkeypatch):
    monkeypatch.setitem(globals(), "KERNEL", KERNEL * np.nan)
    write_weights("red_green.caffemodel")
    Image.fromarray(two_colours(9, 9)).save("a.png")
    assert infer("a.png") == 1
    assert "not finite numbers" in capsys.readouterr().out


@pytest.mark.slow
def test_counting_the_classes_runs_no_image_through_the_net(here, monkeypatch):
    image, passes = two_colours(30, 41), []
    forward = engine.forward
    monkeypatch.setattr(engine, "forward", lambda *args: passes.append(1) or forward(*args))
    segmenter = Segmenter("net.prototxt", "red_green.caffemodel", scale_to=20)
    assert segmenter.classes(image) == 3 and not passes
    assert segmenter.class_map(image).shape == (30, 41) and len(passes) == 1
    assert segmenter.classes(two_colours(9, 12)) == 3 and len(passes) == 1
    wrong = Segmenter("net.prototxt", "red_green.caffemodel", output_blob="data")
    assert wrong.classes(image) == 3  # an input has the image's size, too
    with pytest.raises(InputError, match="there is no blob 'nothing'"):
        Segmenter("net.prototxt", "red_green.caffemodel", output_blob="nothing").classes(image)


def test_each_image_is_scored_by_one_pass(here, data, monkeypatch):
    passes, forward = [], engine.forward
    monkeypatch.setattr(engine, "forward", lambda *args: passes.append(1) or forward(*args))
    assert score("--data", data, "--runtime", of_the_engine(), *NETWORK) == 0
    assert len(passes) == 3


def test_a_network_is_scored_on_folders(here, data, capsys):
    assert score("--data", data, *NETWORK, "--json", "s.json", "--csv", "s") == 0
    said = capsys.readouterr().out
    assert "green" in said and "mean iou" in said and "3 images" in said
    segmenter = Segmenter("net.prototxt", "red_green.caffemodel")
    matrix = ConfusionMatrix(3)
    for i in range(3):
        image = np.asarray(Image.open(f"{data}/val/images/val_{i}.png"))
        matrix.update(segmenter.class_map(image), read_label(f"{data}/val/labels/val_{i}.png"))
    with open("s.json") as file:
        scores = json.load(file)
    assert scores["confusion"] == matrix.counts.tolist()
    assert scores["mean_iou"] == pytest.approx(matrix.mean_iou)
    assert [c["name"] for c in scores["classes"]] == CLASSES
    assert len(scores["images"]) == 3 and len(scores["images"][0]["iou"]) == 3
    with open("s_confusion.csv", newline="") as file:
        table = list(csv.reader(file))
    assert table[0][1:] == CLASSES and [int(v) for v in table[1][1:]] == matrix.counts[0].tolist()
    with open("s_images.csv", newline="") as file:
        assert len(list(csv.reader(file))) == 4


def write_masks(folder, masks):
    os.makedirs(folder)
    for name, mask in masks.items():
        write_label(os.path.join(folder, f"{name}.png"), mask.astype(np.uint8), voc_palette())


def test_masks_are_scored_and_absent_classes_left_out(here, capsys):
    label = np.array([[0, 0, 1, 255]])
    write_masks("labels", {"x": label, "y": label})
    write_masks("masks", {"x": np.array([[0, 1, 1, 1]]), "y": np.array([[0, 0, 1, 0]])})
    arguments = ["--predictions", "masks", "--labels", "labels", "--classes", "4"]
    assert score(*arguments, "--json", "s.json") == 0
    said = capsys.readouterr().out
    assert "left out of the mean IoU, neither labelled nor predicted: class 2, class 3" in said
    with open("s.json") as file:
        scores = json.load(file)
    assert scores["mean_iou"] == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert scores["classes"][3]["iou"] is None
    assert scores["images"][0]["mean_iou"] == pytest.approx(0.5)
    assert scores["images"][1]["pixel_accuracy"] == 1


@pytest.mark.slow
def test_the_folder_that_infer_leaves_can_be_scored(here, capsys):
    Image.fromarray(two_colours(9, 12)).save("a.png")
    assert infer("a.png") == 0
    write_masks("labels", {"a": np.repeat([[1] * 6 + [2] * 6], 9, axis=0)})
    assert score("--predictions", "out", "--labels", "labels", "--json", "s.json") == 0
    with open("s.json") as file:
        assert json.load(file)["mean_iou"] == 1


def test_a_mask_that_is_only_called_like_an_overlay_counts(here):
    masks = {"x": np.zeros((2, 2)), "x_overlay": np.ones((2, 2))}
    write_masks("masks", masks)
    write_masks("labels", masks)
    assert score("--predictions", "masks", "--labels", "labels", "--csv", "s") == 0
    with open("s_images.csv") as file:
        assert [row["image"] for row in csv.DictReader(file)] == ["x", "x_overlay"]


def test_rgb_masks_are_read_through_a_colour_map(here):
    for folder in ("masks", "labels"):
        os.mkdir(folder)
        Image.new("RGB", (3, 3), (128, 0, 0)).save(f"{folder}/x.png")
    arguments = ["--predictions", "masks", "--labels", "labels", "--classes", "voc"]
    assert score(*arguments) == 1
    assert score(*arguments, "--colour-map", "voc", "--json", "s.json") == 0
    with open("s.json") as file:
        assert json.load(file)["classes"][1]["iou"] == 1


@pytest.mark.parametrize("options", [[], ["--classes", "21"]])
def test_names_of_a_colour_map_take_the_place_of_vocs(here, options):
    for folder in ("masks", "labels"):
        os.mkdir(folder)
        Image.new("L", (3, 3), 1).save(f"{folder}/x.png")
    names = ["background", "person", *(f"other {i}" for i in range(19 if options else 1))]
    lines = [f"{i} {i} {i} {name}\n" for i, name in enumerate(names)]
    (here / "map.txt").write_text("".join(lines))
    arguments = ["--predictions", "masks", "--labels", "labels", "--json", "s.json", *options]
    assert score(*arguments, "--colour-map", "map.txt") == 0
    with open("s.json") as file:
        assert [each["name"] for each in json.load(file)["classes"]] == names


@pytest.mark.parametrize(
    ("masks", "labels", "words"),
    [
        ({"x": np.zeros((2, 3))}, {"x": np.zeros((3, 3))}, ["x", "3x2", "3x3"]),
        ({"x": np.zeros((2, 2))}, {"x": np.full((2, 2), 30)}, ["x", "label", "30", "21"]),
        ({"x": np.full((2, 2), 22)}, {"x": np.zeros((2, 2))}, ["x", "prediction", "22"]),
        ({"x": np.zeros((2, 2))}, {"y": np.zeros((2, 2))}, ["x.png", "no label"]),
    ],
)
def test_masks_that_cannot_be_scored_are_named(here, capsys, masks, labels, words):
    write_masks("masks", masks)
    write_masks("labels", labels)
    assert score("--predictions", "masks", "--labels", "labels") == 1
    said = capsys.readouterr().err
    assert all(word in said for word in words)


def test_scores_on_disk_are_kept_unless_forced(here, capsys):
    write_masks("masks", {"x": np.zeros((2, 2))})
    arguments = ["--predictions", "masks", "--labels", "masks", "--json", "s.json"]
    (here / "s.json").write_text("mine")
    assert score(*arguments) == 1
    assert (here / "s.json").read_text() == "mine"
    assert score(*arguments, "--force") == 0
    assert "classes" in (here / "s.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["--net", "--predictions"]),
        (["--predictions", "."], ["--labels"]),
        (NETWORK, ["--data"]),
        ([*NETWORK, "--data", "DATA", "--classes", "5"], ["3 classes", "5"]),
        (["--net", "net.prototxt", "--weights", "none", "--data", "DATA"], ["none"]),
        (["--predictions", "empty", "--labels", "empty"], ["empty", "no images"]),
    ],
)
def test_wrong_arguments_of_score_are_named(here, data, capsys, arguments, words):
    os.mkdir("empty")
    assert score(*[data if a == "DATA" else a for a in arguments]) == 1
    said = capsys.readouterr().err
    assert "error: " in said and all(word in said for word in words)
