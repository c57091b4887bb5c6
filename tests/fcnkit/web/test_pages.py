import io
import os
import shutil

import numpy as np
import pytest
from host_case import NASTY, Client, infer, mask_of, picture, png, shown, write_net
from PIL import Image
from tiny_segmentation import CLASSES

from fcnkit.commands import main
from fcnkit.images import distinct_palette, format_palette
from fcnkit.inference import Segmenter
from fcnkit.web import SharedSegmenter
from fcnkit.web.app import MAX_UPLOAD, create_app
from fcnkit.web.samples import NetImage, find_score_files


@pytest.fixture
def client(scores, extensions):
    return Client(find_score_files([scores]), extensions, CLASSES)


def same_as(sample, mask):
    indices, palette = mask_of(sample)
    written = Image.open(mask)
    np.testing.assert_array_equal(indices, np.array(written))
    expected = np.array(written.getpalette("RGB")).reshape(-1, 3)
    np.testing.assert_array_equal(palette[: len(expected)], expected)


def test_masks_are_those_of_infer(client, scores):
    answer = client.infer_many()
    assert answer.status_code == 200
    samples = shown(answer.text)
    assert [sample["id"] for sample in samples] == ["a", "b", "c"]
    for name, sample in zip("abc", samples):
        same_as(sample, os.path.join(scores, name + ".png"))
    (one,) = shown(client.infer_one(image_path=1).text)
    same_as(one, os.path.join(scores, "b.png"))
    assert {row["name"] for row in one["maps"][0]["legend"]} == set(CLASSES)


@pytest.mark.slow
@pytest.mark.parametrize("option", [[], ["--scale-to", "37"]])
def test_masks_have_the_palette_and_size_of_infer(tmp_path, extensions, option):
    (tmp_path / "palette.txt").write_text(format_palette(distinct_palette(5)))
    palette = ["--palette", str(tmp_path / "palette.txt")]
    out = infer(str(tmp_path), "a", *palette, *option)
    answer = Client(find_score_files([out]), extensions).infer_one()
    (sample,) = shown(answer.text)
    same_as(sample, os.path.join(out, "a.png"))


def test_a_net_gives_the_page_what_infer_writes(tmp_path, extensions):
    out = infer(str(tmp_path), "ab")
    net = SharedSegmenter(Segmenter(tmp_path / "net.prototxt", tmp_path / "w.caffemodel"))
    images = [NetImage(net, str(tmp_path / "images" / f"{name}.png"), name) for name in "ab"]
    client = Client(images, extensions, CLASSES, segmenter=net)
    for name, sample in zip("ab", shown(client.infer_many().text)):
        same_as(sample, os.path.join(out, name + ".png"))
    upload = (io.BytesIO((tmp_path / "images" / "b.png").read_bytes()), "../../<b>.png")
    answer = client.infer_one(image_file=upload)
    (sample,) = shown(answer.text)
    same_as(sample, os.path.join(out, "b.png"))
    assert "&lt;b&gt;.png" in answer.text and "<b>.png" not in answer.text
    uploads = [(io.BytesIO(png(picture(seed=seed))), f"{seed}.png") for seed in range(3)]
    assert len(shown(client.infer_many(image_files=uploads).text)) == 3


def test_names_of_uploads_are_text(tmp_path, extensions):
    write_net(str(tmp_path))
    net = SharedSegmenter(Segmenter(tmp_path / "net.prototxt", tmp_path / "w.caffemodel"))
    client = Client([], extensions, CLASSES, segmenter=net)
    image = png(picture(width=32, height=24))
    for name in (*NASTY, "x" * 300 + ".png", "../../../etc/<i>.png"):
        name = name.replace('"', "%22")  # as browsers do, and the test's client does not
        for answer in (
            client.infer_one(image_path=None, image_file=(io.BytesIO(image), name)),
            client.infer_many(image_files=[(io.BytesIO(image), name)]),
        ):
            assert answer.status_code == 200
            assert "<script>window" not in answer.text and "<img src=x" not in answer.text
            assert "<b>bold" not in answer.text and "<i>.png" not in answer.text
            assert len(shown(answer.text)) == 1


@pytest.mark.slow
def test_an_upload_that_is_no_image_is_told(tmp_path, extensions):
    write_net(str(tmp_path))
    net = SharedSegmenter(Segmenter(tmp_path / "net.prototxt", tmp_path / "w.caffemodel"))
    client = Client([], extensions, CLASSES, segmenter=net)
    answer = client.infer_one(image_path=None, image_file=(io.BytesIO(b"no image"), "x.png"))
    assert answer.status_code == 400
    assert "x.png: cannot be read as an image" in answer.text
    # Among several, the others are shown.
    uploads = [(io.BytesIO(b"no image"), "x.png"), (io.BytesIO(png(picture())), "y.png")]
    answer = client.infer_many(image_files=uploads)
    assert answer.status_code == 200
    assert "Left out: x.png: cannot be read as an image" in answer.text
    assert [sample["id"] for sample in shown(answer.text)] == ["y.png"]


def test_without_a_net_uploads_are_refused(client):
    answer = client.infer_one(image_path=None, image_file=(io.BytesIO(png(picture())), "x.png"))
    assert answer.status_code == 400 and "no network to run" in answer.text


def test_too_large_uploads_are_refused(client):
    answer = client.infer_one(image_file=(io.BytesIO(bytes(MAX_UPLOAD + 1)), "x.png"))
    assert answer.status_code == 413 and "64 MB" in answer.text


@pytest.mark.parametrize("address", ["infer_one", "infer_many", "infer_extension"])
def test_forms_need_their_token(client, address):
    address = f"/models/images/generic/{address}"
    for token in (None, "forged"):
        answer = client.post(address, csrf_token=token, image_path=0, palette="dataset")
        assert answer.status_code == 400 and "CSRF" in answer.text
    assert client.http.post("/datasets/generic/new/fcn-voc-segmentation").status_code == 400


@pytest.mark.parametrize("number", ["3", "-1", "../../etc/passwd", "/etc/passwd"])
def test_only_listed_samples_are_shown(client, number):
    assert client.infer_one(image_path=number).status_code == 400
    assert client.infer_many(image_list=[number]).status_code == 400


@pytest.mark.parametrize(
    "address",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/extension-static/view/fcn-segmentation/../view.py",
        "/extension-static/view/fcn-segmentation/x.js",
        "/extension-static/view/none/x.js",
        "/extension-static/tools/x/y",
        "/models/view-config/none",
        "/datasets/9",
        "/datasets/inference-form/9",
        "/datasets/generic/new/none",
    ],
)
def test_nothing_else_is_served(client, address):
    assert client.http.get(address).status_code == 404


def test_static_files_of_an_extension_with_an_absolute_folder(tmp_path, extensions, client):
    class WithFiles:
        @staticmethod
        def get_dirname():
            return str(tmp_path)

    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a.js").write_text("1")
    (tmp_path / "secret").write_text("2")
    client.preview.extensions = type(extensions)({})
    client.preview.extensions.views["files"] = WithFiles
    assert client.http.get("/extension-static/view/files/a.js").text == "1"
    assert client.http.get("/extension-static/view/files/../secret").status_code == 404
    assert client.http.get("/extension-static/view/files/..%2fsecret").status_code == 404


def test_pages_work_offline(client):
    page = client.http.get("/").text
    parts = [word.split('"')[0] for word in page.split('src="')[1:] + page.split('href="')[1:]]
    assert sum(part.startswith("/static/vendor/") for part in parts) == 5
    for part in parts:
        assert part.startswith(("/", "#", "data:")), part
        if part.startswith("/static"):
            assert client.http.get(part).status_code == 200, part
    policy = client.http.get("/").headers["Content-Security-Policy"]
    assert "http" not in policy and "default-src 'self'" in policy


@pytest.mark.slow
def test_names_are_text(tmp_path, extensions):
    out = tmp_path / "out"
    plain = infer(str(tmp_path / "plain"), "a")
    out.mkdir()
    names = [name for name in NASTY if "/" not in name]
    for name in names:
        shutil.copy(os.path.join(plain, "a_scores.npz"), out / f"{name}_scores.npz")
    client = Client(find_score_files([out]), extensions, NASTY[:3])
    for answer in (client.http.get("/"), client.infer_many(), client.infer_one(image_path=1)):
        assert answer.status_code == 200
        assert "<script>window" not in answer.text and "<img src=x" not in answer.text
        assert "<b>bold" not in answer.text
    ids = {sample["id"] for sample in shown(client.infer_many().text)}
    assert ids == {name.strip() for name in names}


@pytest.mark.slow
def test_names_that_are_no_utf_8_are_shown(tmp_path, extensions):
    plain = infer(str(tmp_path / "plain"), "a")
    out = os.fsencode(tmp_path / "out")
    os.mkdir(out)
    try:
        shutil.copy(os.path.join(plain, "a_scores.npz"), out + b"/\xff_scores.npz")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    client = Client(find_score_files([os.fsdecode(out)]), extensions, CLASSES)
    assert "\ufffd" in client.http.get("/").text
    assert client.infer_one().status_code == 200


@pytest.mark.slow
def test_a_missing_image_is_told_and_the_mask_shown(tmp_path, extensions):
    out = infer(str(tmp_path), "a")
    shutil.rmtree(tmp_path / "images")
    answer = Client(find_score_files([out]), extensions, CLASSES).infer_one()
    assert "The image is shown white" in answer.text
    same_as(shown(answer.text)[0], os.path.join(out, "a.png"))


def test_wrong_options_are_told_on_the_form(client):
    answer = client.infer_one(palette="file", palette_file="", image_path=2)
    assert answer.status_code == 400
    assert "Enter a palette file" in answer.text and "test-model-form" in answer.text
    assert "has-error" in answer.text and '<option selected value="file">' in answer.text
    assert '<option selected value="2">c</option>' in answer.text
    answer = client.infer_one(palette="no such")
    assert answer.status_code == 400 and "Not a valid choice" in answer.text


def test_strangers_names_are_not_answered(client):
    app = create_app(client.preview, ["localhost", "127.0.0.1"])
    assert app.test_client().get("/", headers={"Host": "127.0.0.1:5080"}).status_code == 200
    answer = app.test_client().get("/", headers={"Host": "evil.example"})
    assert answer.status_code == 400 and "<" not in answer.text


def test_a_damaged_score_file_is_told(tmp_path, extensions, scores):
    shutil.copytree(scores, tmp_path / "s")
    client = Client(find_score_files([tmp_path / "s"]), extensions, CLASSES)
    (tmp_path / "s" / "b_scores.npz").write_bytes(b"PK\x03\x04")
    answer = client.infer_one(image_path=1)
    assert answer.status_code == 400 and "b_scores.npz: cannot be read as scores" in answer.text


def test_the_command_says_what_is_missing(tmp_path, capsys):
    assert main.run_module("fcnkit.commands.preview", []) == 1
    assert "pass scores that `infer` saved, or a network" in capsys.readouterr().err
    assert main.run_module("fcnkit.commands.preview", [str(tmp_path)]) == 1
    assert "found none" in capsys.readouterr().err


def test_a_wrong_method_says_which_are_right(client):
    answer = client.http.get("/models/images/generic/infer_one")
    assert answer.status_code == 405 and "POST" in answer.headers["Allow"]
