"""The table of images that `check_dataset` writes, and reading it back."""

import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError
from fcnkit.commands import main
from fcnkit.data_prep import read_image_table


def _pair(folder, name, label):
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    height, width = label.shape
    Image.new("RGB", (width, height)).save(folder / "images" / f"{name}.png")
    Image.fromarray(label).save(folder / "labels" / f"{name}.png")


def test_a_line_per_image(tmp_path):
    _pair(tmp_path / "train", "one, two", np.array([[0, 1, 2], [255, 2, 2]], np.uint8))
    _pair(tmp_path / "val", "three", np.zeros((1, 2), np.uint8))
    (tmp_path / "val" / "images" / "alone.png").write_bytes(b"no image")
    table = tmp_path / "table.csv"
    arguments = [str(tmp_path), "--table", str(table), "--workers", "1"]
    assert main.run_module("fcnkit.commands.check_dataset", arguments) == 1
    assert table.read_text().splitlines()[0].endswith("ignored,0 class 0,1 class 1,2 class 2")
    rows = {(row.part, row.id): row for row in read_image_table(table)}
    assert set(rows) == {("train", "one, two"), ("val", "three"), ("val", "alone")}
    first = rows["train", "one, two"]
    assert (first.size, first.ignored, first.pixels.tolist()) == ((3, 2), 1, [1, 1, 3])
    assert rows["val", "alone"].size is None
    assert rows["val", "alone"].problems == ["image without label", "unreadable"]
    assert main.run_module("fcnkit.commands.check_dataset", arguments) == 1  # not overwritten


@pytest.mark.parametrize("text", ["", "a,b\n", "part,image,width,height,problems,ignored\nx,y\n"])
def test_something_else_is_refused(tmp_path, text):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(InputError, match="is not a table of images"):
        read_image_table(tmp_path / "table.csv")
