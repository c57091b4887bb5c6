"""Training and validation of nets that take only some sizes, on images of any size."""

import json

import numpy as np
import pytest
from net_of_fours import NET, assert_validated_as_scored
from tiny_segmentation import net_text, write_dataset, write_solver

from caffeformat import InputError, parse_text, pb
from fcnkit import nets
from fcnkit.data_prep import create_lmdb, find_splits
from fcnkit.datasets import open_loader, options_of, parse_options, set_options
from fcnkit.training import Recipe, train
from fcnkit.training.augmented import crop_of, fit_whole_images


@pytest.mark.slow
@pytest.mark.usefixtures("needs_engine")
def test_validation_images_are_padded_and_scored_as_score_does(tmp_path):
    data = write_dataset(tmp_path / "data", size=(23, 33))
    solver = write_solver(tmp_path, NET, max_iter=4, test_interval=4, snapshot=4, base_lr=0.01)
    recipe = Recipe(solver, data=data, augment={"crop": 16})
    outcome = train(recipe, str(tmp_path / "run"))
    assert_validated_as_scored(outcome, str(tmp_path / "run"), data)


@pytest.mark.usefixtures("needs_engine")
@pytest.mark.parametrize("form", ["folder", pytest.param("lmdb", marks=pytest.mark.slow)])
def test_validation_images_of_several_sizes_are_not_padded_to_one(tmp_path, form):
    data = write_dataset(tmp_path / "data", val=5, size=(23, 33), more=[(32, 24), (23, 33)])
    if form == "lmdb":
        create_lmdb(*find_splits(data), str(tmp_path / "lmdb"))
    batches = (
        net_text()
        .replace("batch_size: 1 ", "batch_size: 4 ")
        .replace("batch_size: 2 ", "batch_size: 1 ")
    )
    assert batches.count("batch_size: 4 ") == 2
    solver = write_solver(tmp_path, batches, max_iter=2, test_interval=2, base_lr=0.01)
    augment = {"crop": 16} if form == "folder" else None
    read = data if form == "folder" else str(tmp_path / "lmdb")
    outcome = train(Recipe(solver, data=read, augment=augment), str(tmp_path / "run"))
    assert_validated_as_scored(outcome, str(tmp_path / "run"), data)


def data_layers(text):
    net = parse_text(text, pb.NetParameter)
    del net.layer[:4]
    options = '{\\"source\\": \\"x\\"}'
    data = parse_text(
        'layer { name: "data" type: "Python" top: "data" top: "label" python_param '
        f'{{ module: "fcnkit.data_layers" layer: "SegmentationData" param_str: "{options}" }} }}',
        pb.NetParameter,
    )
    data.layer.extend(net.layer)
    return data


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        (NET, [[4, 0], [4, 0]]),
        (NET.replace('bottom: "up" top', "top"), None),
        (NET.replace("kernel_size: 4 stride: 4", "kernel_size: 8 stride: 8"), [[8, 0], [8, 0]]),
    ],
)
def test_the_layer_gets_the_steps_of_its_net(text, steps):
    net = data_layers(text)
    fit_whole_images(net)
    assert options_of(net.layer[0]).get("steps") == steps
    parse_options(net.layer[0].python_param.param_str)
    before = net.SerializeToString()
    fit_whole_images(net)
    assert net.SerializeToString() == before


def test_the_crops_of_training_are_a_size_that_the_net_takes():
    prior = (
        'layer { name: "prior" type: "Parameter" top: "prior" '
        "parameter_param { shape { dim: [1, 3, 200, 300] } } }"
    )
    net = data_layers(NET.replace('bottom: "up" top', 'bottom: "up" bottom: "prior" top'))
    net.layer.extend(parse_text(prior, pb.NetParameter).layer)
    order = [len(net.layer) - 1, *range(len(net.layer) - 1)]
    ordered = pb.NetParameter(layer=[net.layer[i] for i in order])
    validation = pb.NetParameter()
    validation.CopyFrom(ordered)
    set_options(ordered.layer[1], crop=[200, 300])
    assert crop_of(ordered) == (200, 300) and crop_of(validation) is None
    fit_whole_images(validation, crop_of(ordered))
    assert options_of(validation.layer[1])["steps"] == [[0, 200], [0, 300]]
    fit_whole_images(ordered, crop_of(ordered))
    assert "steps" not in options_of(ordered.layer[1])


def test_steps_of_a_net_of_one_size():
    text = (
        'layer { name: "data" type: "Input" top: "data" '
        "input_param { shape { dim: [1, 3, 24, 32] } } }"
    )
    prior = (
        'layer { name: "prior" type: "Parameter" top: "prior" '
        "parameter_param { shape { dim: [1, 3, 24, 32] } } }"
        'layer { name: "score" type: "Eltwise" bottom: "data" bottom: "prior" top: "score" }'
    )
    message, image = nets.deploy_net(parse_text(text + prior, pb.NetParameter), (64, 64))
    assert nets.ImageSizes(message, image, "score", (24, 32)).steps() == ((0, 24), (0, 32))


@pytest.mark.parametrize(
    ("steps", "size"),
    [([[32, 0], [32, 0]], (32, 64)), ([[8, 1], [1, 0]], (25, 33)), ([[0, 23], [0, 40]], (23, 40))],
)
def test_batches_are_padded_with_the_mean_and_with_the_ignored_label(tmp_path, steps, size):
    data = write_dataset(tmp_path / "data", train=2, val=1, size=(23, 33))
    plain = {"source": data, "split": "val", "mean": [1, 2, 3], "ignore": 9}
    made = [
        open_loader(parse_options(json.dumps({**plain, **more}))) for more in ({}, {"steps": steps})
    ]
    try:
        (image, label), (padded, truth) = (loader.next() for loader in made)
    finally:
        for loader in made:
            loader.close()
    assert padded.shape[2:] == truth.shape[2:] == size
    assert np.array_equal(padded[:, :, :23, :33], image)
    assert np.array_equal(truth[:, :, :23, :33], label)
    assert not padded[:, :, 23:].any() and not padded[:, :, :, 33:].any()
    assert (truth[:, :, 23:] == 9).all() and (truth[:, :, :, 33:] == 9).all()


@pytest.mark.parametrize("window", [(23, 20), (10, 33), (9, 40), (5, 5)])
def test_images_that_are_too_large_for_the_only_size_are_cut(tmp_path, window):
    data = write_dataset(tmp_path / "data", train=2, val=2, size=(23, 33))
    plain = {"source": data, "split": "val", "batch_size": 2}
    steps = [[0, extent] for extent in window]
    made = [
        open_loader(parse_options(json.dumps({**plain, **more}))) for more in ({}, {"steps": steps})
    ]
    try:
        (image, label), (parts, truth) = (loader.next() for loader in made)
    finally:
        for loader in made:
            loader.close()
    assert parts.shape[2:] == truth.shape[2:] == window and len(parts) == len(truth)
    places = [
        (top, left)
        for top in nets.window_starts(23, window[0])
        for left in nets.window_starts(33, window[1])
    ]
    assert len(parts) == 2 * len(places)
    count = np.zeros((2, 23, 33), int)
    for number, (part, classes) in enumerate(zip(parts, truth[:, 0])):
        (top, left), index = places[number % len(places)], number // len(places)
        height, width = min(window[0], 23 - top), min(window[1], 33 - left)
        expected = image[index, :, top : top + height, left : left + width]
        assert np.array_equal(part[:, :height, :width], expected)
        assert (classes[height:] == 255).all() and (classes[:, width:] == 255).all()
        here = label[index, 0, top : top + height, left : left + width]
        counted = classes[:height, :width] != 255
        assert np.array_equal(classes[:height, :width][counted], here[counted])
        count[index, top : top + height, left : left + width] += counted
    assert np.array_equal(count, label[:, 0] != 255)


def test_steps_that_are_none(tmp_path):
    data = write_dataset(tmp_path / "data", train=1, val=1)
    with pytest.raises(InputError, match="steps 3: expected"):
        open_loader(parse_options(json.dumps({"source": data, "steps": 3})))
