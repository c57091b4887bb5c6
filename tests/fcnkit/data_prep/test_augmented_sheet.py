"""`check_dataset --augment --sheet`: samples as a run gets them."""

import numpy as np
import pytest
from voc_archive import encoded

from fcnkit.commands import main
from fcnkit.data_prep import augmented_sheet
from fcnkit.datasets import BatchLoader, DatasetFolder, Order, augmentation_from
from fcnkit.images import Preprocessor, read_rgb, voc_palette

CELL = (240, 320)  # height and width of a picture on the sheet
IGNORED = voc_palette()[255]


def check(folder, *arguments):
    return main.main(["check_dataset", str(folder), *map(str, arguments)])


def cells(sheet, rows):
    """Each row's pictures: image, label, both."""
    height, width = CELL
    top = [20 + number * (height + 20) for number in range(rows)]
    return [[sheet[y : y + height, 4 + x : 4 + x + width] for x in (0, 324, 648)] for y in top]


@pytest.mark.slow
def test_eight_samples_of_the_training_images_as_the_net_will_get_them(voc_folders, tmp_path):
    out = tmp_path / "sheet.png"
    augment = ["--augment", "gluoncv", "crop=240x320", "base=60"]
    assert check(voc_folders, *augment, "--sheet", out, "--classes", "voc") == 0
    sheet = read_rgb(out)
    assert sheet.shape == (20 + 8 * 260, 976, 3)

    options = {"base": 60, "scale": [0.5, 2], "draw": "uniform", "rotate": 10, "blur": 0.5}
    options.update(crop=[240, 320], pad="corner", flip=True)
    dataset = DatasetFolder(voc_folders).split("train")
    loader = BatchLoader(
        dataset, 8, Preprocessor(), augmentation_from(options), Order(1, shuffle=True)
    )
    _, labels = loader.next()
    loader.close()
    for (image, label, both), class_map in zip(cells(sheet, 8), labels[:, 0].astype(int)):
        assert np.array_equal(label, voc_palette()[class_map])
        outside = class_map == 255
        # What is outside of the image has one colour, the mean.
        assert len(np.unique(image[240 - 90 :, 150:200].reshape(-1, 3), axis=0)) == 1
        assert (both[outside] != image[outside]).any()


def test_the_mean_colour_is_the_datasets(voc_folders, tmp_path):
    (voc_folders / "mean.txt").write_text("10 20 30\n")
    out = tmp_path / "sheet.png"
    assert check(voc_folders, "--augment", "crop=240x320", "pad=corner", "--sheet", out) == 0
    [image, label, _] = cells(read_rgb(out), 1)[0]
    assert image[-1, -1].tolist() == [30, 20, 10] and (label[-1, -1] == IGNORED).all()


@pytest.mark.slow
def test_seed_and_rows(voc_folders, tmp_path):
    sheets = []
    for seed in (1, 2, 1):
        out = tmp_path / f"{len(sheets)}.png"
        arguments = ["--augment", "--sheet", out, "--seed", seed, "--sheet-rows", 3]
        assert check(voc_folders, *arguments) == 0
        sheets.append(read_rgb(out))
    assert np.array_equal(sheets[0], sheets[2]) and sheets[0].shape[0] == 20 + 3 * 260
    assert sheets[1].shape != sheets[0].shape or not np.array_equal(sheets[0], sheets[1])


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 1), (np.uint16, 1), (np.uint16, 4)])
def test_other_images_are_shown_as_they_are_elsewhere(tmp_path, dtype, channels):
    import tifffile

    random = np.random.RandomState(2)
    for kind in ("images", "labels"):
        (tmp_path / "data" / "train" / kind).mkdir(parents=True)
    for i in range(2):
        image = random.randint(0, 250, (24, 32, channels)).astype(dtype)
        shape = image[..., 0] if channels == 1 else image
        path = tmp_path / f"data/train/images/{i}.tif"
        more = {} if channels == 1 else {"planarconfig": "contig"}
        tifffile.imwrite(path, shape, photometric="minisblack", **more)
        label = encoded(random.randint(0, 3, (24, 32)).astype(np.uint8), "PNG")
        (tmp_path / f"data/train/labels/{i}.png").write_bytes(label)
    options = {"rotate": 10, "brightness": 0.3, "crop": 40}
    with DatasetFolder(tmp_path / "data") as folder:
        sheet = augmented_sheet(folder.split("train"), options, "train", rows=2)
        refused = augmented_sheet(folder.split("train"), {"hue": 0.1}, "train", rows=1)
    image = cells(sheet, 1)[0][0]
    assert image.std() > 10
    # No picture, but a caption with the reason.
    assert (cells(refused, 1)[0][0] == 255).all() and (refused < 128).any()


def test_augment_needs_a_sheet_and_options_that_make_sense(voc_folders, tmp_path, capsys):
    assert check(voc_folders, "--augment") == 1
    said = capsys.readouterr().err
    assert "--augment" in said and "--sheet" in said
    assert check(voc_folders, "--sheet", tmp_path / "s.png", "--augment", "turn=3") == 1
    assert "turn=3" in capsys.readouterr().err
