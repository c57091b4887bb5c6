"""Nets that take only some sizes behind Caffe's own data layers, whose images have any size."""

import numpy as np
import pytest
from net_of_fours import NET, assert_validated_as_scored
from PIL import Image
from tiny_segmentation import write_dataset, write_solver

from caffeformat import InputError, LmdbWriter, array_to_datum, read_net
from fcnkit import nets
from fcnkit.commands import main
from fcnkit.datasets import DatasetFolder, is_segmentation_data, options_of
from fcnkit.training import Observer, Recipe, train
from fcnkit.training.plain_readers import fit_plain_readers
from fcnkit.training.run_files import RunFiles


def databases(folder, size, encoding="raw"):
    """A dataset folder of LMDBs whose images are all of one (height, width), as str."""
    images = write_dataset(folder / "images", train=3, val=2, size=size)
    arguments = [images, str(folder / "data"), "--encoding", encoding]
    assert main.run_module("fcnkit.commands.create_lmdb", arguments) == 0
    return str(folder / "data")


def files_of(folder, net=NET, data=None):
    files = RunFiles(write_solver(folder, net), None if data is None else DatasetFolder(data))
    files.set_sources()
    return files


@pytest.mark.parametrize("encoding", ["raw", "png", "jpeg"])
def test_data_layers_are_replaced_where_an_image_does_not_fit(tmp_path, encoding):
    data = databases(tmp_path, (23, 33), encoding)
    files = files_of(tmp_path, data=data)
    fit_plain_readers(files)
    for net, split in files.splits():
        (layer,) = nets.data_layers(net)
        options = options_of(layer)
        assert is_segmentation_data(layer) and list(layer.top) == ["data", "label"]
        assert options["steps"] == [[4, 0], [4, 0]] and options["split"] == split
        assert options["mean"] == [60] and options["input_scale"] == pytest.approx(0.01)
        assert options["batch_size"] == (2 if split == "train" else 1)
        assert not options.get("shuffle") and not options.get("flip")
    first, second = files.notes
    assert "image 1 of train" in first and "is 33 x 23, but net" in first
    assert "only heights of 4 k and widths of 4 k" in first and "val net are padded" in second


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net,
        lambda net: net.replace('bottom: "up" top', "top"),
        lambda net: net.replace("scale: 0.01", "scale: 0.01 crop_size: 24"),
    ],
    ids=["sizes that fit", "a net that takes all", "crops"],
)
def test_what_fits_stays_as_it_is(tmp_path, change):
    size = (24, 32) if change(NET) == NET else (25, 33)
    files = files_of(tmp_path, change(NET), data=databases(tmp_path, size))
    before = [net.SerializeToString() for net, _ in files.splits()]
    fit_plain_readers(files)
    assert [net.SerializeToString() for net, _ in files.splits()] == before and not files.notes


def other_source(kind, folder):
    """A net whose images come neither from a dataset folder nor all in a size that it takes."""
    sizes = [(24, 32), (24, 33)]
    images = [np.zeros((3, *size), np.uint8) for size in sizes]
    if kind == "Data":
        for name, channels in (("x", 3), ("y", 1)):
            with LmdbWriter(folder / name) as writer:
                for index, image in enumerate(images):
                    writer.put(
                        b"%d" % index, array_to_datum(image[:channels], 0).SerializeToString()
                    )
        first, *rest = NET.split("data_param {")
        return first + "".join(
            f'data_param {{ source: "{"xy"[number % 2]}"{text}' for number, text in enumerate(rest)
        )
    lines = []
    for index, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{index}.png")
        lines.append(f"{index}.png {index}.png" if kind != "ImageData" else f"{index}.png 0")
    (folder / "list").write_text("\n".join(lines))
    field = {"DenseImageData": "dense_image_data_param"}.get(kind, "image_data_param")
    body = NET[NET.index('layer { name: "c"') :]
    reader = (
        f'layer {{ name: "data" type: "{kind}" top: "data" top: "label" {field} '
        f'{{ source: "{folder}/list" root_folder: "{folder}/" batch_size: 1 }} }}'
    )
    return reader + body


@pytest.mark.parametrize("kind", ["Data", "ImageData", "DenseImageData", "ImageSegData"])
def test_what_cannot_be_replaced_is_refused_before_anything_starts(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    files = files_of(tmp_path, other_source(kind, tmp_path))
    with pytest.raises(InputError) as error:
        fit_plain_readers(files)
    text = str(error.value)
    assert "is 33 x 24, but net" in text and "only heights of 4 k and widths of 4 k" in text
    assert ("image 2 of train (1)" if kind == "Data" else "1.png") in text and "data" in text


class Notes(Observer):
    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


@pytest.mark.slow
@pytest.mark.usefixtures("needs_engine")
def test_a_run_behind_data_layers_scores_what_score_does(tmp_path):
    data = databases(tmp_path, (23, 33))
    text = NET.replace("batch_size: 2", "batch_size: 1")
    solver = write_solver(tmp_path, text, max_iter=4, test_interval=4, snapshot=4, base_lr=0.01)
    notes = Notes()
    outcome = train(Recipe(solver, data=data), str(tmp_path / "run"), observer=notes)
    assert sum("are padded to sizes" in note for note in notes.texts) == 2
    assert is_segmentation_data(read_net(tmp_path / "run/val.prototxt").layer[0])
    assert_validated_as_scored(outcome, str(tmp_path / "run"), data)
