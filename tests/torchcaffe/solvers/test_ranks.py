"""What a process does as one solver of several: its part of the data, its seed, its silence."""

import sys
import types

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

import torchcaffe as caffe
from caffeformat import LmdbWriter, array_to_datum, parse_text, pb
from torchcaffe.core import process
from torchcaffe.layers import python
from torchcaffe.solvers import Solver, parallel

SOLVER = """
base_lr: 0.1 lr_policy: "fixed" random_seed: 5 test_iter: 1 test_interval: 1 snapshot: 1 display: 1
net_param {
  layer { name: "x" type: "DummyData" top: "x" dummy_data_param {
    shape { dim: 2 dim: 3 } data_filler { type: "constant" value: 1 } } }
  layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param {
    num_output: 2 weight_filler { type: "xavier" } } }
  layer { name: "loss" type: "Reduction" bottom: "ip" top: "loss" loss_weight: 1 }
}
"""


@pytest.fixture
def as_rank(monkeypatch):
    """Makes this process that of a solver of several."""
    monkeypatch.setattr(process, "_count", 1)
    monkeypatch.setattr(process, "_rank", 0)

    def become(rank, count):
        caffe.set_solver_count(count)
        caffe.set_solver_rank(rank)

    return become


def make_solver(tmp_path):
    param = parse_text(SOLVER, pb.SolverParameter)
    param.snapshot_prefix = str(tmp_path / "run")
    return Solver(param=param)


def labels(source, phase, rounds=3, skipped=0):
    text = f'layer {{ name: "in" top: "data" top: "label" {source} }}'
    net = caffe.Net(net_param=parse_text(text, pb.NetParameter), phase=phase)
    seen = []
    if skipped:
        net.layers[0].skip_batches(skipped)
    for _ in range(rounds):
        net.forward()
        seen += net.blobs["label"].data.astype(int).tolist()
    return seen


@pytest.fixture(params=["Data", "HDF5Data", "ImageData"])
def source(request, tmp_path):
    """The prototxt of a layer whose five entries have the labels 0 to 4, two a batch."""
    images = np.zeros((5, 3, 2, 2), np.uint8)
    if request.param == "Data":
        with LmdbWriter(tmp_path / "db") as writer:
            for index, image in enumerate(images):
                writer.put(b"%d" % index, array_to_datum(image, index).SerializeToString())
        fields = f'data_param {{ source: "{tmp_path}/db" backend: LMDB batch_size: 2 }}'
    elif request.param == "HDF5Data":
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["data"], file["label"] = images.astype(np.float32), np.arange(5.0)
        (tmp_path / "list").write_text(f"{tmp_path}/a.h5\n")
        fields = f'hdf5_data_param {{ source: "{tmp_path}/list" batch_size: 2 }}'
    else:
        Image.fromarray(images[0].transpose(1, 2, 0)).save(tmp_path / "a.png")
        lines = "".join(f"{tmp_path}/a.png {index}\n" for index in range(5))
        (tmp_path / "list").write_text(lines)
        fields = f'image_data_param {{ source: "{tmp_path}/list" batch_size: 2 }}'
    return f'type: "{request.param}" {fields}'


def test_solvers_take_entries_in_turn_and_tests_see_all(source, as_rank):
    as_rank(0, 2)
    assert labels(source, caffe.TRAIN) == [0, 2, 4, 1, 3, 0]
    as_rank(1, 2)
    assert labels(source, caffe.TRAIN) == [1, 3, 0, 2, 4, 1]
    assert labels(source, caffe.TEST) == [0, 1, 2, 3, 4, 0]
    as_rank(0, 1)
    assert labels(source, caffe.TRAIN) == [0, 1, 2, 3, 4, 0]


def test_solvers_that_share_tests_take_whole_batches_in_turn(source, as_rank, monkeypatch):
    as_rank(0, 1)
    batches = np.reshape(labels(source, caffe.TEST, 12), (12, 2)).tolist()
    monkeypatch.setattr(process, "_share_tests", True)
    for count in (2, 3):
        for rank in range(count):
            as_rank(rank, count)
            assert labels(source, caffe.TEST) == np.ravel(batches[rank::count][:3]).tolist()
            own = [number for number in range(4, 12) if number % count == rank]
            expected = [label for number in own[:2] for label in batches[number]]
            assert labels(source, caffe.TEST, 2, skipped=4) == expected


@pytest.mark.parametrize("kind", ["ImageData", "DenseImageData"])
def test_solvers_draw_for_their_images_what_one_draws_for_all(kind, as_rank, tmp_path):
    random = np.random.RandomState(1)
    for index in range(5):
        Image.fromarray(random.randint(0, 256, (6, 6, 3), np.uint8)).save(tmp_path / f"{index}.png")
        Image.fromarray(random.randint(0, 9, (6, 6), np.uint8)).save(tmp_path / f"l{index}.png")
    second = "{0}" if kind == "ImageData" else "{1}/l{0}.png"
    lines = [f"{tmp_path}/{i}.png {second.format(i, tmp_path)}" for i in range(5)]
    (tmp_path / "list").write_text("\n".join(lines))

    def run(batch, passes):
        source = f'source: "{tmp_path}/list" batch_size: {batch} shuffle: true'
        fields = {
            "ImageData": f"image_data_param {{ {source} }} "
            "transform_param { mirror: true crop_size: 3 }",
            "DenseImageData": f"dense_image_data_param {{ {source} "
            "mirror: true crop_height: 3 crop_width: 3 }",
        }[kind]
        text = f'layer {{ name: "in" type: "{kind}" top: "x" top: "y" {fields} }}'
        caffe.set_random_seed(7)
        net = caffe.Net(net_param=parse_text(text, pb.NetParameter), phase=caffe.TRAIN)
        seen = []
        for _ in range(passes):
            net.forward()
            seen.append(net.blobs["x"].data.copy())
        return seen

    as_rank(0, 1)
    whole = run(4, 3)
    parts = []
    for rank in (0, 1):
        as_rank(rank, 2)
        parts.append(run(2, 3))
    for step, images in enumerate(whole):
        np.testing.assert_array_equal(images[0::2], parts[0][step])
        np.testing.assert_array_equal(images[1::2], parts[1][step])


def test_a_layer_in_python_that_may_not_deal_out_its_data_is_warned_of(
    as_rank, monkeypatch, caplog
):
    class Ones(caffe.Layer):
        def reshape(self, bottom, top):
            top[0].reshape(1)

    monkeypatch.setitem(sys.modules, "ones", types.SimpleNamespace(Ones=Ones))
    monkeypatch.setattr(python, "_allowed", {"ones"})
    text = """layer { name: "x" type: "Python" top: "x"
      python_param { module: "ones" layer: "Ones" } }"""
    for rank, phase, warnings in ((0, caffe.TRAIN, 1), (1, caffe.TRAIN, 0), (0, caffe.TEST, 0)):
        as_rank(rank, 2)
        caplog.clear()
        caffe.Net(net_param=parse_text(text, pb.NetParameter), phase=phase)
        assert caplog.text.count('layer "x" (ones.Ones): every solver trains on') == warnings
    Ones.takes_turns = True
    as_rank(0, 2)
    caplog.clear()
    caffe.Net(net_param=parse_text(text, pb.NetParameter), phase=caffe.TRAIN)
    assert not caplog.text


def test_only_the_root_tests_and_snapshots(as_rank, tmp_path, caplog):
    as_rank(1, 2)
    solver = make_solver(tmp_path)
    assert solver.test_nets == []
    with caplog.at_level("INFO", "torchcaffe"):
        solver.step(2)
    assert not caplog.records
    assert not list(tmp_path.iterdir())


def test_solvers_begin_alike_and_then_draw_their_own(as_rank, tmp_path):
    filled, drawn = [], []
    for rank in (0, 1):
        as_rank(rank, 2)
        filled.append(make_solver(tmp_path).net.params["ip"][0].data.copy())
        drawn.append(torch.rand(8).numpy())
    np.testing.assert_array_equal(*filled)
    assert (drawn[0] != drawn[1]).all()


def test_a_solver_joined_with_nobody_trains_as_if_alone(tmp_path):
    weights = []
    for joined in (False, True):
        solver = make_solver(tmp_path)
        if joined:
            nccl = caffe.NCCL(solver, caffe.NCCL.new_uid())
            nccl.connect()
        held = solver.net.params["ip"][0].diff
        solver.step(2)
        if joined:
            assert nccl.agree(True) and not nccl.agree(False)
            nccl.close()
        assert held.any()
        weights.append(solver.net.params["ip"][0].data.copy())
    np.testing.assert_array_equal(*weights)


def test_gradients_meet_wherever_a_backward_or_an_update_may_need_them(monkeypatch):
    """All processes must name the same ones: what they hold at the moment may differ."""
    text = """
    layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 dim: 2 } } }
    layer { name: "stays" type: "InnerProduct" bottom: "x" top: "a"
      param { name: "w" lr_mult: 0 } %s }
    layer { name: "shares" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" } %s }
    layer { name: "fixed" type: "InnerProduct" bottom: "b" top: "c" param { lr_mult: 0 } %s }
    layer { name: "loss" type: "Reduction" bottom: "c" top: "loss" loss_weight: 1 }
    layer { name: "aside" type: "InnerProduct" bottom: "x" top: "d" %s }
    layer { name: "silence" type: "Silence" bottom: "d" }
    """.replace("%s", "inner_product_param { num_output: 2 bias_term: false }")
    param = parse_text('base_lr: 0.1 lr_policy: "fixed"', pb.SolverParameter)
    param.net_param.CopyFrom(parse_text(text, pb.NetParameter))
    solver = Solver(param=param)
    nccl = caffe.NCCL(solver, caffe.NCCL.new_uid())
    met = []
    reduce = parallel.dist.all_reduce
    monkeypatch.setattr(
        parallel.dist,
        "all_reduce",
        lambda tensor, **how: met.append(tensor.data_ptr()) or reduce(tensor, **how),
    )
    nccl.on_gradients_ready()
    nccl.close()
    pointers = {
        name: solver.net.params[name][0].gradient().data_ptr() for name in solver.net.params
    }
    assert met == [pointers["stays"], pointers["aside"]]
