"""Every name of BVLC's pycaffe is available, and works or explains why it does not."""

import importlib
import io as streams
import json
import time

import numpy as np
import pytest

import torchcaffe as caffe
from caffeformat import InputError, pb
from torchcaffe import coord_map, log
from torchcaffe import layers as L

NET = """
layer { name: "in" type: "Input" top: "x" top: "y" input_param {
  shape { dim: 2 dim: 3 } shape { dim: 2 dim: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "y" top: "loss" loss_weight: 3 }
layer { name: "deep" type: "Power" bottom: "ip" top: "deep"
  include { stage: "more" min_level: 2 } }
"""


@pytest.fixture
def net_file(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    return str(tmp_path / "net.prototxt")


@pytest.fixture
def solver(net_file, tmp_path):
    (tmp_path / "solver.prototxt").write_text(
        f'net: "{net_file}" base_lr: 0.1 lr_policy: "fixed" max_iter: 3 random_seed: 1 '
        f'snapshot_prefix: "{tmp_path}/s"'
    )
    return caffe.get_solver(str(tmp_path / "solver.prototxt"))


def test_every_name_of_pycaffe_is_here(repo, net_file, solver, tmp_path):
    names = json.loads((repo / "tests/golden/pycaffe/names.json").read_text())
    images = tmp_path / "images.prototxt"
    images.write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [1, 3, 4, 4] } } }'
    )
    # Classes whose names are seen on an object; of the other classes and modules, on themselves
    objects = {
        "BlobVec": caffe.BlobVec(),
        "Classifier": caffe.Classifier(images, None),
        "Detector": caffe.Detector(images, None),
        "Net": caffe.Net(net_file, caffe.TEST),
        "SolverParameter": solver.param,
        "Timer": caffe.Timer(),
        "Transformer": caffe.io.Transformer({}),
        **{name: solver for name in names if name.endswith("Solver")},
    }
    missing = []
    for key, expected in names.items():
        if key in objects:
            here = objects[key]
        elif key.startswith("caffe"):
            here = importlib.import_module("torchcaffe" + key[len("caffe") :])
        else:
            here = getattr(caffe, key)
        # Names that begin with two underscores are private to their class.
        public = [name for name in expected if not name.startswith(f"_{key}__")]
        missing += [f"{key}.{name}" for name in public if not hasattr(here, name)]
    assert not missing
    assert sum(map(len, names.values())) > 250


def test_layers_of_a_net_have_pycaffes_names(net_file):
    for layer in caffe.Net(net_file, caffe.TEST).layers:
        assert layer.type and hasattr(layer, "blobs") and hasattr(layer, "setup")
        with pytest.raises(InputError, match=r"net\.reshape"):
            layer.reshape([], [])


def test_blobs_and_layers_by_number(net_file):
    net = caffe.Net(net_file, caffe.TRAIN)
    assert net._blob_names == ["x", "y", "ip", "loss"] and net._layer_names == ["in", "ip", "loss"]
    assert net._inputs == [0, 1] and net._outputs == [3]
    assert net._top_ids(0) == [0, 1] and net._bottom_ids(2) == [2, 1]
    assert net._blob_loss_weights == [0, 0, 0, 3] and net._blobs[2] is net.blobs["ip"]
    net.blobs["x"].data[...], net.params["ip"][0].data[...] = 1, 1
    assert net._forward(0, 1) == 0
    assert net._forward(2, 2) == pytest.approx(3 * 9) == 3 * float(net.blobs["loss"].data)
    net._backward(2, 1)
    assert net.params["ip"][1].diff.tolist() == [9, 9]


def test_a_net_takes_its_arguments_in_pycaffes_order(net_file, tmp_path):
    net = caffe.Net(net_file, caffe.TEST, 2, ["more"])
    assert "deep" in net.blobs
    net.params["ip"][0].data[...] = 7
    net.save(str(tmp_path / "w.caffemodel"))
    for arguments in (
        (str(tmp_path / "w.caffemodel"), caffe.TEST),
        (caffe.TEST, 0, None, str(tmp_path / "w.caffemodel")),
    ):
        loaded = caffe.Net(net_file, *arguments)
        assert (loaded.params["ip"][0].data == 7).all() and "deep" not in loaded.blobs
    with pytest.raises(InputError, match="before the phase"):
        caffe.Net(net_file, caffe.TEST, str(tmp_path / "w.caffemodel"))


def test_timer_measures_milliseconds():
    timer = caffe.Timer()
    timer.start()
    time.sleep(0.02)
    timer.stop()
    assert 20 <= timer.ms < 2000
    with pytest.raises(InputError, match="start"):
        timer.stop()


def test_a_solver_is_alone_unless_set_otherwise():
    assert (caffe.solver_count(), caffe.solver_rank(), caffe.has_nccl()) == (1, 0, True)
    with pytest.raises(InputError, match="solvers is 0; expected 1 or more"):
        caffe.set_solver_count(0)
    with pytest.raises(InputError, match="rank is -1; expected 0 or more"):
        caffe.set_solver_rank(-1)


def test_log_is_a_function_and_a_module():
    stream = streams.StringIO()
    handler = log.attach(stream)
    caffe.log("hello")
    log.detach(handler)
    assert stream.getvalue().endswith("] hello\n") and stream.getvalue().startswith("I")


def test_solvers_share_weights_run_callbacks_and_tell_their_state(solver, net_file):
    other = caffe.Net(net_file, caffe.TEST)
    solver.share_weights(other)
    called = []
    solver.add_callback(lambda: called.append("start"), lambda: called.append("gradients"))
    solver.net.blobs["x"].data[...] = 1
    before = other.params["ip"][0].data.copy()
    solver.step(2)
    assert called == ["start", "gradients"] * 2 and solver.iter == 2
    assert not np.array_equal(other.params["ip"][0].data, before)
    assert solver.param.base_lr == solver.lr == pytest.approx(0.1)
    solver.param.max_iter = 4
    solver.solve()
    assert solver.iter == 4


def test_coordinate_maps_are_pycaffes():
    data = L.Input(shape={"dim": [1, 3, 64, 64]})
    conv = L.Convolution(data, num_output=2, kernel_size=5, stride=2, pad=1)
    pool = L.Pooling(conv, kernel_size=2, stride=2)
    # Measured: coord_map_from_to(pool, data) and the other way round, coord_map(conv.fn)
    for found, expected in (
        (coord_map.coord_map_from_to(pool, data), (1, 4, 2)),
        (coord_map.coord_map_from_to(data, pool), (1, 0.25, -0.5)),
        (coord_map.coord_map(conv.fn), (1, 0.5, -0.5)),
    ):
        assert found[0] == expected[0]
        np.testing.assert_allclose(np.stack(found[1:])[:, 0], expected[1:])
    assert coord_map.compose((1, 2, 3), (None, 1, 0)) == (1, 2, 3)
    assert coord_map.inverse((1, 2, 3)) == (1, 0.5, -1.5)
    assert [list(np.ravel(v)) for v in coord_map.conv_params(conv.fn)] == [[1], [2], [5], [1]]
    axis, offset = coord_map.crop_params(L.Crop(conv, pool, offset=[3]).fn)
    assert (axis, offset.tolist()) == (2, [3])
    fc = L.InnerProduct(data, num_output=3)
    for undefined in (
        lambda: coord_map.coord_map_from_to(fc, data),
        lambda: coord_map.crop(fc, data),
        lambda: coord_map.coord_map(fc.fn),
    ):
        with pytest.raises(coord_map.UndefinedMapException):
            undefined()
    with pytest.raises(coord_map.AxisMismatchException):
        coord_map.compose((1, 2, 3), (2, 1, 0))


def test_tops_tell_where_they_come_from():
    data = L.Input(shape={"dim": [1, 3, 8, 8]})
    one, two = L.Slice(data, ntop=2, axis=1, slice_point=1)
    assert (two.n, two.fn.ntop, two.fn.type_name) == (1, 2, "Slice") and two.fn.inputs == (data,)
    assert one.fn.params == {"axis": 1, "slice_point": 1}
    assert caffe.net_spec.param_name_dict()["BatchNorm"] == "batch_norm"
    message = pb.LayerParameter()
    caffe.net_spec.assign_proto(message, "convolution_param", {"kernel_size": 3})
    assert list(message.convolution_param.kernel_size) == [3]


def test_what_is_no_top_is_named_with_its_type():
    pair = L.Slice(L.Input(shape={"dim": [1, 2]}), ntop=2, axis=1)
    with pytest.raises(
        TypeError, match=r"^Silence input 0 is not a Top \(type is <class 'tuple'>\)$"
    ):
        L.Silence(pair, ntop=0)


# The names of pycaffe's modules that `names.json` does not list: of its C++ module, and of `draw`
INNER = [
    "Blob",
    "BlobVec",
    "BoolVec",
    "DtypeVec",
    "IntVec",
    "Layer",
    "LayerParameter",
    "LayerVec",
    "NCCL",
    "Net",
    "NetVec",
    "RawBlobVec",
    "SGDSolver",
    "Solver",
    "SolverParameter",
    "StringVec",
    "Timer",
    "__version__",
    "get_solver",
    "has_nccl",
    "init_log",
    "log",
    "layer_type_list",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
]
DRAW = [
    "BLOB_STYLE",
    "LAYER_STYLE_DEFAULT",
    "NEURON_LAYER_STYLE",
    "choose_color_by_layertype",
    "draw_net",
    "draw_net_to_file",
    "get_edge_label",
    "get_layer_label",
    "get_layer_lr_mult",
    "get_pooling_types_dict",
    "get_pydot_graph",
]


def test_names_of_inner_modules():
    for name in INNER:
        assert hasattr(caffe._caffe, name) and hasattr(caffe.pycaffe, name), name
    assert [name for name in DRAW if not hasattr(caffe.draw, name)] == []
    assert "Convolution" not in coord_map.PASS_THROUGH_LAYERS
    assert {"ReLU", "Eltwise", "BatchNorm", "Split"} <= set(coord_map.PASS_THROUGH_LAYERS)


def test_lists_have_pycaffes_types(net_file, solver):
    inner = caffe._caffe
    net = solver.net
    assert type(net.params["ip"]) is type(net.layers[1].blobs) is inner.BlobVec
    assert type(net.layers) is inner.LayerVec and type(solver.test_nets) is inner.NetVec
    assert type(net._layer_names) is type(net._blob_names) is inner.StringVec
    assert type(net._inputs) is type(net._top_ids(0)) is inner.IntVec
    assert type(net._blob_loss_weights) is inner.DtypeVec
    net.params["ip"].add_blob(2, 3)
    assert net.params["ip"][-1].shape == (2, 3)


def test_every_enum_has_its_wrapper():
    messages = caffe.proto.caffe_pb2
    assert messages.Phase.Name(messages.TEST) == "TEST" and messages.Phase.Value("TRAIN") == 0
    assert messages.Phase.TEST == caffe.TEST and messages.DESCRIPTOR.package == "caffe"
    count = 0
    for name, descriptor in messages.DESCRIPTOR.message_types_by_name.items():
        for enum in descriptor.enum_types:
            wrapper = getattr(getattr(messages, name), enum.name)
            for value in enum.values:
                assert wrapper.Value(value.name) == value.number
                assert getattr(getattr(messages, name), value.name) == value.number
                count += 1
    assert count > 90


def test_layers_and_params_have_every_type_of_the_schema():
    for type_name in [*caffe.layer_type_list(), "NotInThisEngine"]:
        assert callable(getattr(caffe.layers, type_name)), type_name
    for name in caffe.proto.caffe_pb2.DESCRIPTOR.message_types_by_name:
        if name.endswith("Parameter"):
            assert getattr(caffe.params, name[: -len("Parameter")]) is getattr(pb, name)


def test_labels_of_pycaffes_pictures():
    net = caffe.NetSpec()
    net.x = L.Input(shape={"dim": [1, 3, 8, 8]})
    net.conv = L.Convolution(net.x, num_output=5, kernel_size=3, param=[{"lr_mult": 2}])
    net.pool = L.Pooling(net.conv, kernel_size=2, stride=2, pool=1)
    _, conv, pool = net.to_proto().layer
    label = '"conv (Convolution) kernel size: 3 stride: 1 pad: 0 lr mult: 2.0, 1.0"'
    assert caffe.draw.get_layer_label(conv, "TB", display_lrm=True) == label
    assert caffe.draw.get_layer_label(pool, "LR").startswith(
        r'"pool\n(Pooling AVE)\nkernel size: 2'
    )
    assert (caffe.draw.get_edge_label(conv), caffe.draw.get_edge_label(pool)) == ("5", '""')
    with pytest.raises(ValueError, match="Pooling layers do not have"):
        caffe.draw.get_layer_lr_mult(pool)
