"""Layers of Caffes that are not read here are named, with what to write instead."""

import pytest

from caffeformat import FormatError, parse_text, pb
from caffeformat.messages import elsewhere, layer_elsewhere
from caffeformat.messages.net_spec import param_name_dict


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("roi_pooling_param", '"ROIPooling" is a layer of Faster R-CNN'),
        ("psroi_pooling_param", '"PSROIPooling" is a layer of R-FCN'),
        ("multi_stage_meanfield_param", "CRF-as-RNN.*its first bottom holds the net's scores"),
        ("unpooling_param", 'DeconvNet.*Write "Upsample" with upsample_h'),
        ("yolov3_detection_output_param", "darknet"),
        ("smooth_l1_loss_param", "Faster R-CNN.*Remove it to compute scores"),
    ],
)
def test_their_parameters_say_whose_they_are(field, words):
    with pytest.raises(FormatError, match=f":2:3: LayerParameter has no field.*{words}"):
        parse_text(f'layer {{ name: "l"\n  {field} {{ }} }}', pb.NetParameter)


def test_their_v1_types_say_whose_they_are():
    with pytest.raises(FormatError, match=r'UNPOOLING: "Unpooling" is a layer of DeconvNet'):
        parse_text('layers { name: "l" type: UNPOOLING }', pb.NetParameter)


def test_a_label_map_is_no_net():
    with pytest.raises(FormatError, match="a label map of SSD"):
        parse_text('item { name: "a" label: 1 }', pb.NetParameter)


def test_none_of_them_is_a_layer_that_is_known():
    known = set(param_name_dict()) | set(vars(pb.V1LayerParameter))
    assert not known & {row[0] for row in elsewhere._ROWS} - {"Lstm"}
    assert layer_elsewhere("Convolution") is None
    assert layer_elsewhere("ReLU6").advice == 'Write "Clip" with clip_param { min: 0 max: 6 }'
