"""Models side by side, a model folder to take along, pictures of the zoo, layers of any image."""

import html
import io
import json
import re
import zipfile

import pytest
from tiny_segmentation import CLASSES

from fcnkit.workbench import wording


def test_up_to_eight_models_side_by_side(site):
    ids = [
        site.jobs.add(
            site.jobs.new_id(), "model", f"<i>{rate}", "cpu", [],
            {"learning_rate": rate, "lr_policy": "poly"},
        ).id
        for rate in range(9)
    ]  # fmt: skip
    asked = [f"model={id_}" for id_ in ids]
    page = site.get("/compare?" + "&".join(asked[:8])).text
    assert all(f"&lt;i&gt;{rate}</a>" in page for rate in range(8))
    assert re.search('<th scope="row">Learning rate</th>(<td class="name">[0-7]</td>){8}', page)
    assert ">Policy<" not in page  # all have the same
    for wrong in (asked[:1], asked[:1] * 2, asked):
        answer = site.get("/compare?" + "&".join(wrong), headers={"Accept": "text/html"})
        assert answer.status_code == 400 and "choose two models" in answer.text


def test_a_model_folder(trained):
    pytest.importorskip("onnx")
    address = f"/models/{trained.model}/download.folder.zip"
    assert address in trained.get(f"/models/{trained.model}").text
    answer = trained.get(address)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        assert set(names) == {
            "README.md", "config.json", "deploy.prototxt", "model.onnx", "model.safetensors"
        }  # fmt: skip
        assert len({name.partition("/")[0] for name in archive.namelist()}) == 1
        config = json.loads(archive.read(names["config.json"]))
        card = archive.read(names["README.md"]).decode()
    assert list(config["id2label"].values()) == list(CLASSES)
    assert "# a model\n" in card and "squares" in card and "mean IoU" in card


def test_curves_of_each_class(trained):
    curves = trained.get(f"/models/{trained.model}/live.json").get_json()["curves"]
    assert [name for name in curves if name.startswith("test_class_iou_")] == [
        f"test_class_iou_{number}" for number in range(len(CLASSES))
    ]
    page = trained.get(f"/models/{trained.model}").text
    assert 'data-plot="class"' in page
    assert [html.unescape(page.split('data-names="')[1].split('"')[0])] == [
        json.dumps(list(CLASSES))
    ]


def test_pictures_of_the_zoo(site):
    answer = site.get("/models/cards/voc_fcn8s.svg")
    assert answer.mimetype == "image/svg+xml" and "score_pool4" in answer.text
    assert site.get("/models/cards/voc_fcn8s").mimetype == "text/plain"
    assert site.get("/models/cards/nothing.svg").status_code == 404


def test_layers_of_any_image_and_snapshot(trained):
    address = f"/models/{trained.model}/layers"
    page = trained.get(address).text
    options = re.findall('<option value="(val:[0-9]+)" (selected)?>([^<]+)', page)
    assert len(options) > 1 and [each[1] for each in options].count("selected") == 1
    number, name = options[-1][0], options[-1][2]
    steps = re.findall('<option value="(i[0-9]+)"', page)
    page = trained.get(f"{address}?entry={number}&snapshot_epoch={steps[-1]}").text
    assert f'"{number}" selected>{name}' in page and f"· {name}</p>" in page
    assert f'"{steps[-1]}" selected' in page


def test_numbers_on_cards_are_written_out():
    shown = [wording.figure(value) for value in (30000.0, 1000, 0.25, 1e-7, 1e12, None, "x")]
    assert shown == ["30,000", "1,000", "0.25", "1e-07", "1e+12", "–", "–"]
