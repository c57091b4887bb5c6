import json
import os

import pytest
from tiny_segmentation import net_text, write_dataset, write_solver

from caffeformat import InputError, parse_text, pb, read_net, read_solver
from fcnkit import zoo
from fcnkit.datasets import DatasetFolder, augmentation_from, parse_augmentation
from fcnkit.training import Recipe, Snapshots
from fcnkit.training.augmented import set_batch_size
from fcnkit.training.intervals import set_intervals
from fcnkit.training.resuming import start_python_layers
from fcnkit.training.run_files import RunFiles, fitted_deploy_net


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_files(folder, text=None, data="data", **fields):
    return RunFiles(write_solver(folder, text, **fields), DatasetFolder(data))


def layers(net):
    return [(layer.name, layer.type) for layer in net.layer]


def options(net):
    return json.loads(net.layer[0].python_param.param_str)


def test_nets_have_the_layers_of_their_stage(here):
    files = run_files(here)
    assert ("accuracy", "Accuracy") not in layers(files.train)
    (val,) = files.tests
    assert layers(val)[-1] == ("accuracy", "Accuracy")
    assert not any(layer.include or layer.exclude for layer in [*files.train.layer, *val.layer])


def test_stages_named_by_the_solver_are_kept(here):
    files = run_files(here, train_state='{ stage: "deploy" }')
    assert ("loss", "SoftmaxWithLoss") not in layers(files.train)


def test_sources_depend_on_top_and_phase(here):
    files = run_files(here)
    files.set_sources()
    params = [layer.data_param for net, _ in files.splits() for layer in net.layer[:2]]
    ends = ["train_db/features", "train_db/labels", "val_db/features", "val_db/labels"]
    assert [param.source for param in params] == [str(here / "data" / end) for end in ends]
    assert all(param.backend == pb.DataParameter.LMDB for param in params)


def test_a_layer_with_a_source_keeps_it_and_a_note_says_so(here):
    (here / "own").mkdir()
    text = net_text().replace("backend: LMDB", 'backend: LMDB source: "own"')
    files = run_files(here, text)
    files.set_sources()
    assert files.train.layer[0].data_param.source == str(here / "own")
    assert "keeps its own source" in files.notes[0]


def test_files_are_found_from_the_current_folder_and_beside_the_solver(here, monkeypatch):
    (here / "sub").mkdir()
    path = write_solver(here / "sub")
    assert RunFiles(path).train.name == "tiny"
    os.remove(here / "sub/net.prototxt")
    with pytest.raises(InputError, match=r"net\.prototxt, which is neither"):
        RunFiles(path)


def test_separate_train_and_test_nets(here):
    write_solver(here)
    (here / "two.prototxt").write_text(
        'train_net: "net.prototxt" test_net: "net.prototxt" test_iter: 7 test_interval: 3\n'
        'base_lr: 1 lr_policy: "fixed" max_iter: 5'
    )
    files = RunFiles("two.prototxt")
    assert len(files.tests) == 1 and list(files.solver.test_iter) == [7]


def test_augmentation_keeps_the_transforms_of_the_data_layers(here):
    text = net_text().replace(
        'type: "Data" top: "data"',
        'type: "Data" top: "data" transform_param { mirror: true crop_size: 16 scale: 0.5 '
        "mean_value: 104 mean_value: 117 mean_value: 123 }",
    )
    files = run_files(here, text)
    files.augment({"scale": [0.5, 2]})
    assert options(files.train) == {
        "source": str(here / "data"),
        "split": "train",
        "batch_size": 2,
        "mean": [104, 117, 123],
        "input_scale": 0.5,
        "crop": 16,
        "flip": True,
        "shuffle": True,
        "scale": [0.5, 2],
        "classes": 3,
    }
    val = options(files.tests[0])
    assert val["split"] == "val" and not {"crop", "flip", "scale", "shuffle"} & set(val)
    assert layers(files.train)[:2] == [("data", "Python"), ("shift", "Power")]
    assert list(files.train.layer[0].top) == ["data", "label"]


def test_a_set_without_augmentation_takes_crop_and_mirror_away(here):
    text = net_text().replace(
        'type: "Data" top: "data"',
        'type: "Data" top: "data" transform_param { mirror: true crop_size: 16 scale: 0.5 }',
    )
    files = run_files(here, text)
    files.augment(parse_augmentation(["berkeley"]))
    chosen = options(files.train)
    assert augmentation_from(chosen) is None and chosen["input_scale"] == 0.5


def test_augmentation_needs_an_image_and_a_label(here):
    files = run_files(here, net_text().replace('top: "label"', 'top: "other"', 1))
    with pytest.raises(InputError, match="one image and one label"):
        files.augment({})


def test_a_resumed_run_continues_in_the_data(here):
    files = run_files(here, iter_size=3)
    files.augment({"flip": True})
    start_python_layers(files, 10)
    assert options(files.train)["start"] == 10 * 3 * 2


def test_repeated_fields_have_all_values_that_are_given(here):
    files = run_files(here, stepvalue=7)
    files.override([("stepvalue", "10"), ("stepvalue", "[20, 30]"), ("max_iter", "5")])
    files.override([("max_iter", "6"), ("max_iter", "7")])
    assert list(files.solver.stepvalue) == [10, 20, 30] and files.solver.max_iter == 7


def test_overrides_are_spelled_as_in_a_solver_file(here):
    files = run_files(here)
    files.override([("base_lr", "0.5"), ("lr_policy", "poly"), ("stepvalue", "7")])
    assert files.solver.base_lr == 0.5 and files.solver.lr_policy == "poly"
    with pytest.raises(InputError, match="no field speed"):
        files.override([("speed", "1")])
    with pytest.raises(InputError, match="max_iter"):
        files.override([("max_iter", "1.5")])


def test_tests_cover_their_data_once(here):
    data = write_dataset(here / "data", train=5, val=4)
    files = run_files(here, data=data, test_iter=99)
    files.tests[0].layer[0].data_param.batch_size = 3
    files.augment({})
    files.set_test_iterations()
    assert list(files.solver.test_iter) == [2]
    assert files.images(files.train) == 5


def test_missing_solver_fields_are_filled_in(here):
    files = run_files(here, lr_policy=None, max_iter=None, display=None, test_interval=None)
    set_intervals(files, images=9, epochs=4)
    solver = files.solver
    assert (solver.max_iter, solver.display, solver.test_interval) == (20, 1, 5)
    assert solver.lr_policy == "fixed" and "lr_policy" in files.notes[0]


@pytest.mark.parametrize(
    ("fields", "epochs", "word"),
    [({"max_iter": None}, None, "max_iter"), ({"base_lr": 0}, None, "base_lr"), ({}, 2, "epochs")],
)
def test_an_error_asks_for_what_cannot_be_filled_in(here, fields, epochs, word):
    files = run_files(here, **fields)
    with pytest.raises(InputError, match=word):
        set_intervals(files, images=None, epochs=epochs)


def test_what_is_written_reads_back_without_stages(here):
    files = run_files(here)
    files.set_sources()
    files.solver.test_iter.append(3)
    (here / "run").mkdir()
    path = files.write(str(here / "run"), (32, 48))
    solver = read_solver(path)
    assert layers(read_net(solver.train_net)) == layers(files.train)
    assert layers(read_net(solver.test_net[0])) == layers(files.tests[0])
    assert list(read_net(here / "run/deploy.prototxt").layer[0].input_param.shape[0].dim)[2] == 32


def test_a_stepped_solver_leaves_tests_and_snapshots_to_the_recipe(here):
    solver = run_files(here).stepwise()
    assert (solver.snapshot, solver.display, solver.test_interval) == (0, 0, 2**31 - 1)


def test_the_deploy_net_has_a_size_that_the_net_takes():
    net = read_net(zoo.path("fcn8s_vgg16_bn", "train_val.prototxt"))
    made = fitted_deploy_net(net, (500, 300))
    assert list(made.layer[0].input_param.shape[0].dim) == [1, 3, 512, 320]
    free = fitted_deploy_net(read_net(zoo.path("voc_fcn8s", "train_val.prototxt")), (500, 300))
    assert list(free.layer[0].input_param.shape[0].dim) == [1, 3, 500, 300]


@pytest.mark.parametrize(
    "fields, plan, words",
    [
        ({"iter_size": 0}, {}, "iter_size is 0, expected 1 or more"),
        ({"test_interval": -1}, {}, "test_interval is -1"),
        ({}, {"epochs": 1e12}, "1e\\+12 passes over the data are [0-9]+ iterations, but a solver"),
        (
            {},
            {"snapshots": Snapshots(epochs=1e12)},
            "snapshots every 1e\\+12 passes are [0-9]+ iter",
        ),
    ],
)
def test_numbers_that_a_solver_cannot_count_are_named(here, fields, plan, words):
    files = run_files(here, **fields)
    with pytest.raises(InputError, match=words):
        set_intervals(files, 8, **plan)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"epochs": float("nan")}, "epochs=nan"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 1 << 40}, "batch_size="),
        ({"class_weights": -1.0}, "class_weights=-1"),
        ({"class_weights": float("inf")}, "class_weights=inf"),
        ({"fill": "gaussian"}, "fill='gaussian'"),
    ],
)
def test_recipes_with_numbers_out_of_range_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        Recipe("solver.prototxt", **settings)
    with pytest.raises(InputError, match="snapshots every 99999999999 iter"):
        Snapshots(every=99999999999)


def test_batch_sizes_reach_every_data_layer_or_are_refused(here):
    listed = 'layer { name: "list" type: "ImageData" top: "data" top: "label" }'
    own = (
        'layer { name: "own" type: "Python" top: "data" top: "label"'
        ' python_param { module: "%s" layer: "%s" } }'
    )
    net = parse_text(net_text() + listed, pb.NetParameter)
    set_batch_size(net, 7)
    sizes = [layer.data_param.batch_size for layer in net.layer if layer.type == "Data"]
    assert set(sizes) == {7} and net.layer[-1].image_data_param.batch_size == 7
    with pytest.raises(
        InputError, match=r"'own' \(Python\) has a size of its own, which batch_size=7"
    ):
        set_batch_size(parse_text(own % ("mine", "Mine"), pb.NetParameter), 7)
    berkeley = parse_text(own % ("voc_layers", "VOCSegDataLayer"), pb.NetParameter)
    set_batch_size(berkeley, 1)
    with pytest.raises(InputError, match="reads one image at a time, which batch_size=7 cannot"):
        set_batch_size(berkeley, 7)


def test_weights_of_a_solver_may_be_separated_by_commas(here):
    for name in ("a.caffemodel", "b.caffemodel"):
        (here / name).touch()
    files = run_files(here, weights='"a.caffemodel, b.caffemodel"')
    assert list(files.solver.weights) == [str(here / "a.caffemodel"), str(here / "b.caffemodel")]
