"""What annotation tools themselves write and draw: the same pixels of each class as they count."""

import json

import numpy as np
import pytest
from labelled_data import SHADES, image, pack, truth

from fcnkit.data_prep import DataOptions, prepare_data
from fcnkit.data_prep.layouts.coco.masks import mask_of
from fcnkit.images import read_label

NUMBER = 1000
HEIGHT, WIDTH = 60, 80

# Of pixels on a border, which are those next to a pixel of the other kind.
MOST_BORDER_PIXELS = 0.03


def border(mask):
    """The pixels that have a neighbour (of 8) of the other kind."""
    padded = np.pad(mask, 1, mode="edge")
    views = [
        padded[1 + y : 1 + y + mask.shape[0], 1 + x : 1 + x + mask.shape[1]]
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
    ]
    return np.any(views, 0) & ~np.all(views, 0)


def random_polygon(rng):
    """A star-shaped polygon of 3 to 12 corners, as COCO has it; some reach out of the image."""
    count = rng.randint(3, 13)
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    radii = rng.uniform(3, 40, count)
    x = rng.uniform(0, WIDTH) + radii * np.cos(angles)
    y = rng.uniform(0, HEIGHT) + radii * np.sin(angles)
    return np.stack([x, y], 1).clip(0, (WIDTH, HEIGHT)).round(2).ravel().tolist()


@pytest.mark.slow
def test_polygons_are_those_of_pycocotools_but_for_border_pixels():
    tools = pytest.importorskip("pycocotools.mask", reason="needs pycocotools")
    rng = np.random.RandomState(0)
    differing = on_border = 0
    for _ in range(NUMBER):
        polygon = random_polygon(rng)
        theirs = tools.decode(tools.merge(tools.frPyObjects([polygon], HEIGHT, WIDTH))).astype(bool)
        ours = mask_of([polygon], HEIGHT, WIDTH, "polygon")
        around = border(theirs) | border(ours)
        assert not ((ours != theirs) & ~around).any()
        differing += int((ours != theirs).sum())
        on_border += int(around.sum())
    print(f"{differing} of {on_border} border pixels differ ({differing / on_border:.2%})")
    assert differing <= MOST_BORDER_PIXELS * on_border


@pytest.mark.slow
@pytest.mark.parametrize("compressed", [True, False])
def test_run_lengths_are_those_of_pycocotools(compressed):
    tools = pytest.importorskip("pycocotools.mask", reason="needs pycocotools")
    rng = np.random.RandomState(1)
    for _ in range(NUMBER):
        mask = rng.rand(HEIGHT, WIDTH) < rng.choice([0, 0.01, 0.5, 0.99, 1])
        encoded = tools.encode(np.asfortranarray(mask.astype(np.uint8)))
        counts = encoded["counts"].decode()
        if not compressed:
            runs = np.flatnonzero(np.diff(np.concatenate([[0], mask.T.ravel(), [2]])))
            counts = np.diff(np.concatenate([[0], runs])).astype(int).tolist()
        segmentation = {"size": [HEIGHT, WIDTH], "counts": counts}
        assert np.array_equal(mask_of(segmentation, HEIGHT, WIDTH, "runs"), mask)


FORMATS = ["voc_segmentation", "voc", "coco_instances", "coco", "cityscapes", "camvid",
           "kitti_segmentation"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("with_colours", [True, False])
@pytest.mark.parametrize("form", FORMATS)
def test_what_datumaro_exports(tmp_path, form, with_colours):
    pytest.importorskip("datumaro", reason="needs datumaro")
    from datumaro.components import annotation
    from datumaro.components.dataset import Dataset
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image

    kinds = annotation.AnnotationType
    labels = annotation.LabelCategories()
    for name in ("background", "red", "blue"):
        labels.add(name)
    categories = {kinds.label: labels}
    if with_colours:
        colours = {0: (0, 0, 0), 1: (48, 112, 32), 2: (176, 112, 32)}
        categories[kinds.mask] = annotation.MaskCategories(colours)
    items = [
        DatasetItem(
            id=f"im{number}",
            subset=subset,
            media=Image.from_numpy(data=SHADES[truth(number)][..., ::-1].copy()),
            annotations=[
                annotation.Mask(image=truth(number) == class_, label=class_, id=class_)
                for class_ in (1, 2)
            ],
        )
        for number, subset in enumerate(["train", "train", "val"])
    ]
    source = tmp_path / "export"
    Dataset.from_iterable(items, categories=categories).export(str(source), form, save_media=True)
    prepared = prepare_data(source, tmp_path / "out")
    assert prepared.names == ["background", "red", "blue"]
    assert prepared.counts == {"train": 2, "val": 1}
    for item in Dataset.import_from(str(source), form):
        names = item.media and {mask.label for mask in item.annotations}
        found = read_label(next((tmp_path / "out" / item.subset).rglob(f"labels/**/{item.id}.png")))
        for class_ in names & {1, 2}:
            theirs = sum(
                int(mask.image.sum())
                for mask in item.annotations
                if mask.label == class_ and mask.type == kinds.mask
            )
            assert theirs == int((found == class_).sum())
        assert np.array_equal(found, truth(int(item.id[2:])))


@pytest.mark.slow
def test_shapes_are_drawn_as_labelme_draws_them(tmp_path):
    shape = pytest.importorskip("labelme.utils.shape", reason="needs labelme")
    rng = np.random.RandomState(2)
    names = {"background": 0, "red": 1, "blue": 2}
    counts = {"polygon": (3, 9), "rectangle": (2, 3), "circle": (2, 3), "line": (2, 3),
              "linestrip": (2, 6), "point": (1, 2), "oriented_rectangle": (4, 5)}  # fmt: skip
    files, expected = {}, {}
    for number in range(60):
        shapes = []
        for _ in range(rng.randint(1, 6)):
            kind = list(counts)[rng.randint(len(counts))]
            points = rng.uniform(-5, (35, 25), (rng.randint(*counts[kind]), 2)).round(2).tolist()
            label = ("red", "blue", "background")[rng.randint(3)]
            shapes.append({"label": label, "points": points, "shape_type": kind, "group_id": None})
        content = {"shapes": shapes, "imagePath": f"im{number}.png", "imageData": None}
        files[f"im{number}.json"] = json.dumps({**content, "imageHeight": 20, "imageWidth": 30})
        files[f"im{number}.png"] = image(number)
        expected[f"im{number}"] = shape.shapes_to_label((20, 30), shapes, names)[0]
    source = pack("folder", tmp_path / "source", files)
    prepare_data(source, tmp_path / "out", DataOptions(val_percent=0, classes=list(names)))
    for id_, theirs in expected.items():
        found = read_label(tmp_path / f"out/train/labels/{id_}.png")
        assert np.array_equal(found, theirs), id_
