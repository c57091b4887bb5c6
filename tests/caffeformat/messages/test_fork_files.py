import struct
import warnings

import numpy as np
import pytest

from caffeformat import (
    FormatError,
    InputError,
    parse_text,
    pb,
    read_caffemodel,
    read_net,
    read_solver,
    write_caffemodel,
)
from caffeformat.messages import ForkWarning, assuming_fork, bn_kind, refuse_effects
from caffeformat.messages.fork_tables import FORKS
from caffeformat.messages.forks import FieldWarning, ignored_fields, refused_fields
from caffeformat.messages.schema import caffe_messages, fork_messages
from caffeformat.messages.wire import field_numbers


def _write(path, net):
    path.write_bytes(net.SerializeToString())
    return path


def _net(fork, **fields):
    """A net of `fork` with one layer of weights, its parameters in the fork's own numbers."""
    net = fork_messages(fork).NetParameter(name="net")
    layer = net.layer.add(name="a", bottom=["x"], top=["y"], **fields)
    layer.blobs.add(data=[1, 2]).shape.dim.append(2)
    return net


def test_binary_nets_are_read_with_the_numbers_of_their_fork(tmp_path):
    net = _net("pspnet", type="Interp")
    net.layer[0].interp_param.zoom_factor = 8
    path = _write(tmp_path / "net.caffemodel", net)
    (layer,) = read_net(path, fork="pspnet").layer
    assert layer.interp_param.zoom_factor == 8 and not layer.blobs
    # In BVLC's numbers the same bytes say something else.
    (layer,) = read_net(path).layer
    assert not layer.HasField("interp_param")


def test_every_fork_reads_its_enums_and_messages_by_name(tmp_path):
    net = _net("segnet", type="BN")
    net.layer[0].bn_param.bn_mode = 1
    net.layer[0].bn_param.scale_filler.value = 2
    (layer,) = read_net(_write(tmp_path / "n", net), fork="segnet").layer
    assert layer.bn_param.bn_mode == pb.BNParameter.INFERENCE
    assert layer.bn_param.scale_filler.value == 2
    net = _net("ssd", type="Permute")
    net.layer[0].permute_param.order.extend([0, 2, 3, 1])
    (layer,) = read_net(_write(tmp_path / "n", net), fork="ssd").layer
    assert list(layer.permute_param.order) == [0, 2, 3, 1]


def test_v1_binary_nets_lose_their_weights_too(tmp_path):
    net = caffe_messages().NetParameter()
    layer = net.layers.add(name="a", type=4, bottom=["x"], top=["y"])
    layer.convolution_param.num_output = 3
    layer.blobs.add(num=1, channels=1, height=1, width=2, data=[1, 2])
    (layer,) = read_net(_write(tmp_path / "n", net), fork="deeplab").layer
    assert (layer.type, layer.convolution_param.num_output) == ("Convolution", 3)
    assert not layer.blobs


def test_a_file_that_is_no_net_of_the_fork_is_refused(tmp_path):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(b"\x0a\x03net\xa2\x06\x04\x0a\x02a\xff")
    with pytest.raises(FormatError, match="not a binary net of SSD"):
        read_net(path, fork="ssd")
    path.write_bytes(b"\x00 no net at all")
    with pytest.raises(FormatError, match="byte 0"):
        read_net(path)
    with pytest.raises(InputError, match='no fork "SSD"; known are'):
        read_net(path, fork="SSD")


def test_the_fork_settles_whose_bn_is_meant(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text('layer { name: "bn" type: "BN" bottom: "x" top: "x" }')
    with pytest.raises(InputError, match="specify which"):
        bn_kind(read_net(path).layer[0])
    assert bn_kind(read_net(path, fork="segnet").layer[0]) == "segnet"
    with assuming_fork("pspnet"):
        assert bn_kind(read_net(path).layer[0]) == "pspnet"


def test_fields_of_forks_that_nothing_looks_at_are_named_in_a_warning(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text("""layer { name: "data" type: "Data" transform_param {
        crop_h: 3 resize_param { height: 4 } mirror: true } data_param { threads: 2 } }
        layer { name: "bn" type: "BatchNorm" batch_norm_param { scale_bias: true } }
        layer { name: "up" type: "Interp" interp_param { zoom_factor: 2 } }""")
    with pytest.warns(ForkWarning) as caught:
        net = read_net(path)
    assert ignored_fields(net) == ['layer "data": data_param.threads (NVIDIA Caffe)']
    assert sorted(refused_fields(net)) == [
        'layer "data": transform_param.crop_h (NVIDIA Caffe and SSD)',
        'layer "data": transform_param.resize_param (NVIDIA Caffe and SSD)',
    ]
    ignored, refused = (str(each.message) for each in caught)
    assert "have no effect here" in ignored and "change what is computed" in refused
    assert all(text in ignored for text in [str(path), *ignored_fields(net)])
    assert all(text in refused for text in [str(path), *refused_fields(net)])


@pytest.mark.parametrize(
    "field", ["larc: true", "larc: true larc_eta: 0.01", "type: 'Adam' larc_turbo: true"]
)
def test_a_solvers_field_that_changes_the_training_is_never_called_harmless(tmp_path, field):
    path = tmp_path / "solver.prototxt"
    path.write_text(f'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 {field}')
    with pytest.warns(ForkWarning) as caught:
        solver = read_solver(path)
    (words,) = (str(each.message) for each in caught)
    assert "larc" in words and "change what is computed" in words and "no effect" not in words
    solver.net_param.layer.add(name="a", type="ReLU").elu_param.alpha = 2
    with pytest.raises(InputError, match=r"^larc.*remove it"):
        refuse_effects(solver)


@pytest.mark.parametrize("policy", ["cosine", "linear"])
def test_schedules_of_our_own_read_what_others_do(tmp_path, policy):
    path = tmp_path / "solver.prototxt"
    text = f'net: "x" base_lr: 0.1 lr_policy: "{policy}" max_iter: 10 min_lr: 0.01'
    path.write_text(text + " rampup_interval: 2 rampup_lr: 0.01")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_solver(path)
    path.write_text(text + " gamma: 0.5 power: 2 stepsize: 3 stepvalue: 4")
    with pytest.warns(FieldWarning) as caught:
        read_solver(path)
    assert str(caught[0].message).count(f'not "{policy}"') == 4


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ('type: "Data" transform_param { crop_h: 3 }', True),
        ('type: "Data" transform_param { resize_param { height: 4 } }', True),
        ('type: "ELU" elu_param { lambda: 2 }', True),
        ('type: "ELU" elu_param { lambda: 1 }', False),  # the default
        ('type: "Pooling" pooling_param { torch_pooling: true }', True),
        ('type: "SoftmaxWithLoss" loss_param { label_smoothing: 0.1 }', True),
        ('type: "SoftmaxWithLoss" loss_param { weight_by_label_freqs: true }', False),
        ('type: "Dropout" dropout_param { sample_weights_test: true random_seed: 3 }', False),
        ('type: "Convolution" convolution_param { conv_algos_override: "1,1,1" }', False),
        ('type: "ReLU" forward_type: FLOAT16', False),
        ('type: "ReLU" multibox_loss_param { num_classes: 3 }', False),
    ],
)
def test_fields_that_change_a_result_are_told_from_others(text, is_refused):
    layer = parse_text(f'name: "l" {text}', pb.LayerParameter)
    if is_refused:
        with pytest.raises(InputError, match=r'layer "l": .*would change what is computed'):
            refuse_effects(layer)
    else:
        refuse_effects(layer)


def test_a_net_of_bvlc_gives_no_warning(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text('layer { name: "a" type: "LRN" lrn_param { local_size: 3 } }')
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_net(path)


@pytest.mark.parametrize("fork", FORKS)
def test_weights_lie_under_the_same_numbers_in_every_fork(fork):
    ours, theirs = caffe_messages(), fork_messages(fork)
    for name in ("NetParameter", "LayerParameter", "V1LayerParameter", "BlobProto", "BlobShape"):
        numbers = field_numbers(getattr(theirs, name))
        for field in ("name", "type", "blobs", "layer", "layers", "shape", "data", "dim"):
            assert numbers.get(field) == field_numbers(getattr(ours, name)).get(field)


@pytest.mark.parametrize("number, code", [(0, "d"), (1, "f"), (2, "e")])
def test_nvidias_raw_weights_are_read(tmp_path, number, code):
    net = _net("nvcaffe", type="Convolution")
    (blob,) = net.layer[0].blobs
    del blob.data[:]
    blob.raw_data_type, blob.raw_data = number, struct.pack(f"<2{code}", 0.5, -3)
    (array,) = read_caffemodel(_write(tmp_path / "w.caffemodel", net))["a"]
    assert array.dtype == np.float32 and array.tolist() == [0.5, -3]
    blob.raw_data_type = 3
    with pytest.raises(FormatError, match=r'layer "a", blob 0.*values of type 3'):
        read_caffemodel(_write(tmp_path / "w.caffemodel", net))


def test_a_net_written_with_weights_keeps_its_fork_fields(tmp_path):
    net = pb.NetParameter()
    net.layer.add(name="up", type="Interp").interp_param.zoom_factor = 8
    net.layer.add(name="fc", type="InnerProduct")
    write_caffemodel(tmp_path / "w.caffemodel", {"fc": [np.ones(3)]}, net)
    assert read_net(tmp_path / "w.caffemodel") == net
