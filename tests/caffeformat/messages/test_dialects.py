"""Spellings of forks and converters are read as BVLC Caffe's, with a note, or explained."""

import pytest

from caffeformat import (
    ForkWarning,
    FormatError,
    InputError,
    SolverState,
    Weights,
    infer_shapes,
    parse_text,
    pb,
    read_caffemodel,
    read_net,
    read_solver,
    read_solver_state,
    upgrade_net,
    write_caffemodel,
    write_solver_state,
)
from caffeformat.exchange import value_graph
from caffeformat.messages import FieldWarning

INPUT = 'input: "x" input_shape { dim: 1 dim: 3 dim: 33 dim: 33 } '


def _layer(kind, fields, bottom="x"):
    return f'layer {{ name: "l" type: "{kind}" bottom: "{bottom}" top: "y" {fields} }}'


def _read(tmp_path, text):
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    with pytest.warns(ForkWarning) as found:
        net = read_net(path)
    return net, " ".join(str(warning.message) for warning in found)


@pytest.mark.parametrize(
    ("fields", "dilation"),
    [("hole: 2", [2]), ("hole_h: 2 hole_w: 3", [2, 3]), ("hole_w: 4", [1, 4])],
)
def test_hole_is_dilation(tmp_path, fields, dilation):
    conv = f"convolution_param {{ num_output: 1 kernel_size: 3 {fields} }}"
    net, note = _read(tmp_path, INPUT + _layer("Convolution", conv))
    assert list(net.layer[1].convolution_param.dilation) == dilation
    assert 'layer "l"' in note
    assert "read as dilation" in note
    assert "hole" not in str(net)


@pytest.mark.parametrize(("mode", "size"), [("false", 16), ("true", 17)])
def test_ceil_mode_is_round_mode(tmp_path, mode, size):
    pool = f"pooling_param {{ pool: MAX kernel_size: 2 stride: 2 ceil_mode: {mode} }}"
    net, note = _read(tmp_path, INPUT + _layer("Pooling", pool))
    assert infer_shapes(net)["y"] == (1, 3, size, size)
    assert f"ceil_mode: {mode} read as round_mode" in note


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_layer("Convolution", "convolution_param { hole: 2 dilation: 2 }"), "both dilation and"),
        (_layer("Convolution", "convolution_param { hole: 2 hole_h: 2 }"), "both hole and hole_h"),
        (_layer("Pooling", "pooling_param { ceil_mode: true round_mode: FLOOR }"), "contradict"),
    ],
)
def test_two_spellings_that_disagree_are_refused(text, words):
    with pytest.raises(InputError, match=words):
        upgrade_net(parse_text(text, pb.NetParameter))


V1 = """
input: "x" input_dim: 1 input_dim: 1 input_dim: 20 input_dim: 20
layers {
  name: "c" type: CONVOLUTION bottom: "x" top: "c"
  convolution_param { num_output: 1 kernel_size: 3 pad: PAD }
}
layers { name: "crop" type: CROP bottom: "c" bottom: "x" top: "y" }
"""


def test_crop_of_the_first_fcn_release_gets_its_offset(tmp_path):
    net, note = _read(tmp_path, V1.replace("PAD", "40"))
    crop = net.layer[-1]
    assert (crop.type, crop.crop_param.axis, list(crop.crop_param.offset)) == ("Crop", 2, [39])
    assert "computed offset 39" in note
    assert infer_shapes(net)["y"] == (1, 1, 20, 20)


def test_such_a_crop_without_an_offset_is_explained():
    with pytest.raises(InputError, match=r'CROP of the first FCN release.*write type: "Crop"'):
        upgrade_net(parse_text(V1.replace("PAD", "0"), pb.NetParameter))


CROPPED = (
    INPUT
    + """
layer { name: "c" type: "Convolution" bottom: "x" top: "c"
  convolution_param { num_output: 1 kernel_size: 3 pad: 35 } }
layer { name: "half" type: "Pooling" bottom: "c" top: "half"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Deconvolution" bottom: "half" top: "up"
  convolution_param { num_output: 1 kernel_size: 4 stride: 2 } }
layer { name: "crop" type: "KIND" bottom: "c" bottom: "x" top: "near" FIELDS }
layer { name: "crop" type: "KIND" bottom: "up" bottom: "near" top: "far" FIELDS }
"""
)


def _offsets(net):
    return [list(layer.crop_param.offset) for layer in net.layer if layer.type == "Crop"]


def test_auto_crop_gets_the_offset_that_the_net_implies(tmp_path):
    text = CROPPED.replace("KIND", "AutoCrop").replace("FIELDS", "")
    net, note = _read(tmp_path, text)
    assert _offsets(net) == [[34], [35]]
    assert "AutoCrop read as Crop with the computed offset 34" in note


def test_crop_without_an_offset_cuts_from_zero_and_the_reader_is_told(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(CROPPED.replace("KIND", "Crop").replace("FIELDS", ""))
    with pytest.warns(FieldWarning, match=r'top "near".*offset: 34.*top "far".*offset: 35'):
        net = read_net(path)
    assert _offsets(net) == [[], []]


@pytest.mark.parametrize("fields", ["crop_param { offset: 0 }", "crop_param { offset: 7 }"])
def test_crop_with_an_offset_is_as_its_author_wants_it(tmp_path, recwarn, fields):
    path = tmp_path / "net.prototxt"
    path.write_text(CROPPED.replace("KIND", "Crop").replace("FIELDS", fields))
    read_net(path)
    assert not recwarn.list


DEEPLAB_1 = """
layers { name: "d" type: IMAGE_SEG_DATA top: "data" top: "label"
  image_data_param { source: "list.txt" label_type: PIXEL batch_size: 2 } }
layers { name: "fc6" type: CONVOLUTION bottom: "data" top: "fc6" strict_dim: false
  convolution_param { num_output: 21 kernel_size: 3 hole: 4 } }
layers { name: "loss" type: SOFTMAX_LOSS bottom: "fc6" bottom: "label"
  softmaxloss_param { FIELDS } }
"""


def test_deeplabs_first_caffe_is_read(tmp_path):
    net, note = _read(tmp_path, DEEPLAB_1.replace("FIELDS", "ignore_label: 255"))
    data, conv, loss = net.layer
    assert (data.type, conv.type, loss.type) == ("ImageSegData", "Convolution", "SoftmaxWithLoss")
    assert list(conv.convolution_param.dilation) == [4]
    assert loss.loss_param.ignore_label == 255
    assert not loss.HasField("softmaxloss_param")
    assert "read as that of loss_param: 255" in note
    assert "strict_dim: weights must have" in note


def test_one_label_may_be_ignored_twice():
    fields = "ignore_label: 255 } loss_param { ignore_label: 255"
    net = parse_text(DEEPLAB_1.replace("FIELDS", fields), pb.NetParameter)
    upgrade_net(net)
    assert net.layer[2].loss_param.ignore_label == 255


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ('weight_source: "w.txt"', "class_weighting"),
        ("ignore_label: 255 ignore_label: 0", "ignores 255, 0, but a loss can ignore one"),
        ("ignore_label: 255 } loss_param { ignore_label: 0", "beside loss_param"),
    ],
)
def test_what_its_loss_computes_otherwise_is_refused(fields, words):
    net = parse_text(DEEPLAB_1.replace("FIELDS", fields), pb.NetParameter)
    with pytest.raises(InputError, match=f'layer "loss".*{words}'):
        upgrade_net(net)


def test_depthwise_convolution_is_a_grouped_one(tmp_path):
    fields = "convolution_param { num_output: 3 kernel_size: 3 GROUP }"
    text = INPUT + _layer("DepthwiseConvolution", fields)
    net, note = _read(tmp_path, text.replace("GROUP", "group: 3"))
    assert (net.layer[1].type, net.layer[1].convolution_param.group) == ("Convolution", 3)
    assert "read as Convolution with group: 3" in note
    with pytest.raises(InputError, match="without a group"):
        upgrade_net(parse_text(text.replace("GROUP", ""), pb.NetParameter))


def test_upsample_with_one_bottom_is_another_forks():
    net = parse_text(INPUT + _layer("Upsample", "upsample_param { scale: 3 }"), pb.NetParameter)
    upgrade_net(net)
    with pytest.raises(InputError, match=r"darknet, .* kernel_size: 3 stride: 3"):
        infer_shapes(net)


def test_result_that_goes_into_silence_is_named():
    text = INPUT + _layer("ReLU", "") + 'layer { name: "s" type: "Silence" bottom: "y" }'
    net = parse_text(text, pb.NetParameter)
    upgrade_net(net)
    with pytest.raises(InputError, match="y goes into a Silence layer: pass blob='y'"):
        value_graph(net)
    assert value_graph(net, ["y"]).outputs == ["y"]


def test_solver_and_net_are_told_apart(tmp_path):
    solver, net = tmp_path / "solver.prototxt", tmp_path / "net.prototxt"
    solver.write_text('train_net: "some.prototxt" base_lr: 1')
    net.write_text(INPUT + _layer("ReLU", ""))
    with pytest.raises(FormatError, match=r'a solver, where a net .* net is "some.prototxt"'):
        read_net(solver)
    with pytest.raises(FormatError, match="a net, where a solver was expected"):
        read_solver(net)


def test_state_and_weights_are_told_apart(tmp_path):
    state, weights = tmp_path / "a.solverstate", tmp_path / "a.caffemodel"
    write_solver_state(state, SolverState(iter=3, learned_net="a.caffemodel"))
    write_caffemodel(weights, Weights({"c": [[1.0]]}, name="net"))
    with pytest.raises(FormatError, match="a solver state, not a caffemodel"):
        read_caffemodel(state)
    with pytest.raises(FormatError, match="a caffemodel, not a solver state"):
        read_solver_state(weights)


@pytest.mark.parametrize("written", ["- 1", "-\t1", "-\n1", "-1", "- .1e1"])
def test_blanks_between_minus_and_number_as_caffe_reads_them(written):
    text = f'layer {{ name: "a - 1" # - 1 \'\n power_param {{ shift: {written} }} }}'
    layer = parse_text(text, pb.NetParameter).layer[0]
    assert (layer.name, layer.power_param.shift) == ("a - 1", -1)


def test_errors_keep_their_place_where_blanks_were_moved():
    with pytest.raises(FormatError, match=":2:29:"):
        parse_text("layer {\n power_param { shift: -   1 shft: 1 } }", pb.NetParameter)


def test_offsets_are_computed_for_a_limited_number_of_layers():
    crop = 'layer { name: "crop" type: "KIND" bottom: "c" bottom: "x" top: "t%d" }'
    text = CROPPED.partition('layer { name: "half"')[0] + "".join(crop % i for i in range(201))
    with pytest.raises(InputError, match="offsets of 200 such layers at most"):
        upgrade_net(parse_text(text.replace("KIND", "AutoCrop"), pb.NetParameter))
    upgrade_net(parse_text(text.replace("KIND", "Crop"), pb.NetParameter))
