from fractions import Fraction

import pytest

from caffeformat import (
    FormatError,
    NetSpec,
    geometry,
    infer_shapes,
    layers,
    parse_text,
    pb,
    read_net,
    write_text,
)
from caffeformat.messages.fork_tables import FORKS
from caffeformat.messages.schema import caffe_messages, fork_messages


def test_bvlc_fields_keep_their_numbers_beside_those_of_forks():
    ours = pb.NetParameter(name="n")
    ours.layer.add(name="a", type="Crop").crop_param.axis = 1
    ours.layer.add(name="b", type="Interp").interp_param.zoom_factor = 8
    theirs = caffe_messages().NetParameter.FromString(ours.SerializeToString())
    assert theirs.layer[0].crop_param.axis == 1 and theirs.layer[1].name == "b"


@pytest.mark.parametrize("fork", FORKS)
def test_every_field_of_a_fork_is_known_to_texts(fork):
    messages = fork_messages(fork)
    for name in messages.message_names:
        theirs = getattr(messages, name).DESCRIPTOR
        ours = getattr(pb, name).DESCRIPTOR
        for field in theirs.fields:
            assert ours.fields_by_name[field.name].type == field.type
            assert ours.fields_by_name[field.name].default_value == field.default_value


def test_forks_read_one_number_each_in_their_own_way():
    data = pb.LayerParameter(name="x").SerializeToString() + bytes([0xA2, 0x09, 0])  # field 148
    assert (
        fork_messages("pspnet")
        .LayerParameter.FromString(data)
        .HasField("adaptive_bias_channel_param")
    )
    assert fork_messages("ssd").LayerParameter.FromString(data).HasField("clip_param")


@pytest.mark.filterwarnings("ignore::caffeformat.messages.forks.ForkWarning")
def test_texts_of_several_forks_parse_and_are_written_alike(tmp_path):
    text = """layer { name: "bn" type: "BN" bn_param { bn_mode: INFERENCE } }
layer { name: "bn2" type: "BN" bn_param { slope_filler { value: 1 } frozen: true } }
layer { name: "permute" type: "Permute" permute_param { order: 0 order: 2 } }
layer { name: "up" type: "Upsample" upsample_param { scale: 2 } }
layer { name: "loss" type: "MultiBoxLoss" multibox_loss_param { mining_type: HARD_EXAMPLE } }
"""
    net = parse_text(text, pb.NetParameter)
    write_text(tmp_path / "net.prototxt", net)
    assert read_net(tmp_path / "net.prototxt") == net


def test_a_typo_in_a_fork_field_gets_its_nearest_name():
    with pytest.raises(FormatError, match=r'no field "zoom_facto".*zoom_factor'):
        parse_text("layer { interp_param { zoom_facto: 8 } }", pb.NetParameter)


def test_v1_layers_of_forks_become_current_ones(tmp_path):
    path = tmp_path / "old.prototxt"
    path.write_text(
        'layers { name: "up" type: INTERP bottom: "a" top: "b" interp_param { zoom_factor: 8 } }\n'
        'layers { name: "bn" type: BN bottom: "b" top: "c" bn_param { bn_mode: LEARN } }\n'
        'layers { name: "crf" type: DENSE_CRF bottom: "c" top: "d" }\n'
    )
    up, bn, crf = read_net(path).layer
    assert (up.type, up.interp_param.zoom_factor) == ("Interp", 8)
    assert (bn.type, crf.type) == ("BN", "DenseCRF")


def _interp_net(**settings):
    n = NetSpec()
    n.data = layers.Input(shape={"dim": [1, 2, 9, 13]})
    n.conv = layers.Convolution(n.data, num_output=4, kernel_size=3, pad=1, stride=2)
    n.up = layers.Interp(n.conv, **settings)
    return n.to_proto()


def test_interp_keeps_coordinates_through_its_factors():
    net = _interp_net(zoom_factor=2, pad_beg=-1)
    assert infer_shapes(net)["up"] == (1, 4, 7, 11)
    found = geometry.coord_map(net, "up", "data")
    assert found.scale == (1,) and found.shift == (2,)
    assert geometry.layer_map(net.layer[2]).scale == (Fraction(1, 2),)
    assert geometry.receptive_fields(net)["up"].size == (5,)


def test_interp_to_a_fixed_size_has_no_map_of_its_own():
    net = _interp_net(height=60, width=60)
    assert infer_shapes(net)["up"] == (1, 4, 60, 60)
    assert geometry.layer_map(net.layer[2]) is None
