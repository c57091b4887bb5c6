import io
import os
import socket

import numpy as np
import pytest
from digits_folders import write_dataset_job, write_model
from host_case import Client, infer, mask_of, picture, png, shown, write_net
from PIL import Image
from tiny_segmentation import CLASSES, write_dataset

from caffeformat import InputError, read_caffemodel, read_net
from fcnkit import runtimes
from fcnkit.commands import main, preview
from fcnkit.datasets import FolderDataset
from fcnkit.export import deployed
from fcnkit.images import read_label, voc_palette, write_label
from fcnkit.web.truths import Truths


def served(*arguments):
    """Return the application that `fcnkit preview` serves with these arguments, and its preview."""
    parser = main.command_parser(preview)
    server = preview.make_server(parser.parse_args([*map(str, arguments), "--port", "0"]))
    server.server_close()
    return server.app, server.app.extensions["fcnkit_preview"]


def client_of(app, preview):
    client = Client.__new__(Client)
    client.app, client.preview, client.http = app, preview, app.test_client()
    return client


@pytest.fixture(autouse=True)
def our_extensions(extensions, monkeypatch):
    monkeypatch.setattr("fcnkit.web.opening.Extensions", lambda: extensions)


@pytest.mark.slow
def test_a_dataset_brings_names_palette_and_ground_truth(tmp_path):
    data = write_dataset(tmp_path / "data")
    network = write_net(str(tmp_path))
    images = os.path.join(data, "val", "images")
    client = client_of(*served(images, *network, "--data", data))
    samples = shown(client.infer_many().text)
    assert [sample["id"] for sample in samples] == [f"val_{i}.png" for i in range(3)]
    for i, sample in enumerate(samples):
        assert {row["name"] for row in sample["maps"][0]["legend"]} == {*CLASSES, "ignored"}
        label = read_label(os.path.join(data, "val", "labels", f"val_{i}.png"))
        indices, _ = mask_of(sample)
        right = (indices == label)[label != 255].mean()
        assert sample["maps"][0]["truth"]["accuracy"] == pytest.approx(right)


@pytest.mark.slow
def test_databases_of_digits_bring_the_same(tmp_path):
    pairs = write_dataset_job(tmp_path / "job")
    write_net(str(tmp_path))
    (tmp_path / "images").mkdir()
    for i, (image, _) in enumerate(pairs["val"]):
        (tmp_path / "images" / f"{i:09d}.png").write_bytes(png(image))
    folder = write_model(tmp_path / "model")
    arguments = [tmp_path / "images", "--digits-model", folder, "--data", tmp_path / "job"]
    app, preview = served(*arguments)
    assert preview.title == "model"
    userdata = preview.datasets[0].extension_userdata
    assert userdata["class_labels"] == CLASSES and userdata["color_palette"][3:6] == [255, 0, 0]
    for sample in shown(client_of(app, preview).infer_many().text):
        assert sample["maps"][0]["truth"] is not None


def test_only_the_same_picture_has_a_dataset_s_label(tmp_path):
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    (tmp_path / "images" / "a.png").write_bytes(png(picture()))
    label = np.full((60, 80), 2, np.uint8)
    write_label(tmp_path / "labels" / "a.png", label, voc_palette())
    truths = Truths(FolderDataset(tmp_path / "images", tmp_path / "labels"))
    for title in ("a", "a.png", "a.jpg"):
        np.testing.assert_array_equal(truths.find(title, picture()), label)
    assert truths.find("a", picture(seed=1)) is None
    assert truths.find("a", picture(30, 40)) is None
    assert truths.find("b", picture()) is None


@pytest.mark.slow
def test_scores_and_images_may_be_shown_together(tmp_path):
    out = infer(str(tmp_path), "a")
    Image.fromarray(picture(seed=3)).save(tmp_path / "b.png")
    network = write_net(str(tmp_path))
    scores = os.path.join(out, "a_scores.npz")
    _, preview = served(scores, tmp_path / "b.png", *network)
    assert [sample.title for sample in preview.samples] == ["a", "b.png"]
    assert preview.title == "tiny"


def test_names_that_do_not_fit_are_told_at_the_start(tmp_path):
    network = write_net(str(tmp_path))
    (tmp_path / "two.txt").write_text("a\nb\n")
    Image.fromarray(picture()).save(tmp_path / "b.png")
    with pytest.raises(InputError, match="2 class names, but the network scores 3"):
        served(tmp_path / "b.png", *network, "--classes", tmp_path / "two.txt")


def test_the_port_may_be_taken(tmp_path, scores):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main.run_module("fcnkit.commands.preview", [scores, "--port", port]) == 1


def write_onnx(folder, argmax=False):
    """The tiny net of a folder as a model beside its caffemodel; returns its path."""
    path, net = os.path.join(folder, "net.onnx"), deployed(read_net(f"{folder}/net.prototxt"))
    weights = read_caffemodel(os.path.join(folder, "w.caffemodel"))
    runtimes.write_onnx(path, runtimes.to_onnx(net, weights, ["score"], argmax=argmax))
    return path


def test_a_model_file_gives_the_page_what_infer_writes(tmp_path):
    pytest.importorskip("onnxruntime")
    out = infer(str(tmp_path), "ab")
    path = write_onnx(str(tmp_path))
    (tmp_path / "names.txt").write_text("\n".join(CLASSES))
    app, preview = served(tmp_path / "images", "--net", path, "--classes", tmp_path / "names.txt")
    assert preview.title == "net.onnx"
    client = client_of(app, preview)
    assert "net.onnx" in client.http.get("/").text
    for name, sample in zip("ab", shown(client.infer_many().text)):
        written = Image.open(os.path.join(out, f"{name}.png"))
        np.testing.assert_array_equal(mask_of(sample)[0], np.array(written))
        assert {row["name"] for row in sample["maps"][0]["legend"]} <= {*CLASSES}
    upload = (io.BytesIO((tmp_path / "images" / "b.png").read_bytes()), "b.png")
    (sample,) = shown(client.infer_one(image_file=upload).text)
    written = Image.open(os.path.join(out, "b.png"))
    np.testing.assert_array_equal(mask_of(sample)[0], np.array(written))


def test_a_model_file_with_a_dataset_shows_its_truth(tmp_path):
    pytest.importorskip("onnxruntime")
    data = write_dataset(tmp_path / "data")
    write_net(str(tmp_path))
    path = write_onnx(str(tmp_path))
    images = os.path.join(data, "val", "images")
    client = client_of(*served(images, "--net", path, "--data", data))
    samples = shown(client.infer_many().text)
    assert len(samples) == 3 and all(sample["maps"][0]["truth"] for sample in samples)


def test_a_model_file_that_has_no_scores_is_told(tmp_path):
    pytest.importorskip("onnxruntime")
    write_net(str(tmp_path))
    path = write_onnx(str(tmp_path), argmax=True)
    Image.fromarray(picture()).save(tmp_path / "b.png")
    try:
        client = client_of(*served(tmp_path / "b.png", "--net", path))
        answer = client.infer_one(image_path=1)
        assert answer.status_code == 400
        words = answer.text
    except InputError as error:
        words = str(error)
    assert "is a class map; expected class scores" in words
