"""`fcnkit infer`: masks, scores, what it leaves out, refuses and tells."""

import json
import os

import numpy as np
import pytest
from PIL import Image
from red_green_net import infer, score, two_colours, write_network, write_weights
from tiny_segmentation import net_text

from caffeformat import InputError
from fcnkit import engine
from fcnkit.images import read_label
from fcnkit.inference import Segmenter

pytestmark = pytest.mark.usefixtures("needs_engine")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with a net and weights that tell red from green."""
    monkeypatch.chdir(tmp_path)
    write_network(tmp_path)
    return tmp_path


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
def test_weights_that_are_no_numbers_are_told(here, capsys):
    write_weights("red_green.caffemodel", factor=np.nan)
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
