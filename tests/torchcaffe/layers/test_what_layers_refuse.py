"""Settings and shapes that a layer cannot work with: the error names the layer and what it found.

Caffe ends the process in all of these cases, mostly with the names of its own variables.
"""

import pytest

pytest.importorskip("torch")

import torchcaffe as caffe
from caffeformat import InputError, parse_text, pb

IMAGE, PAIR = (2, 3, 6, 6), (2, 3)
_TWO_TOPS = ("ImageData", "MemoryData", "WindowData")


def net_of(type_, settings, shapes, tops):
    """A net of one layer, `it`, whose bottoms a, b, ... have these shapes."""
    names = "abcdef"[: len(shapes)]
    text = ""
    for name, shape in zip(names, shapes):
        dims = " ".join(f"dim: {size}" for size in shape)
        text += f'layer {{ name: "{name}" type: "Input" top: "{name}" '
        text += f"input_param {{ shape {{ {dims} }} }} }}\n"
    bottoms = " ".join(f'bottom: "{name}"' for name in names)
    written = " ".join(f'top: "top{number}"' for number in range(tops))
    text += f'layer {{ name: "it" type: "{type_}" {bottoms} {written} {settings} }}'
    return caffe.Net(net_param=parse_text(text, pb.NetParameter), phase=caffe.TEST)


@pytest.mark.parametrize(
    ("type_", "settings", "shapes", "words"),
    [
        ("Convolution", "convolution_param { num_output: 2 kernel_size: 1 }", [PAIR],
         r"1 to 3 axes after the channels, but its bottom has shape \(2, 3\)"),
        ("Convolution", "convolution_param { kernel_size: 1 }", [IMAGE],
         "num_output is 0; expected 1 or more"),
        ("Convolution", "convolution_param { num_output: 2 kernel_size: 1 group: 0 }", [IMAGE],
         "must be divisible by group: 0"),
        ("Convolution", "convolution_param { num_output: 2 kernel_size: 1 }", [IMAGE, IMAGE],
         "needs as many tops as bottoms; found 1 and 2"),
        ("Convolution", "convolution_param { num_output: 2 kernel_size: 3 kernel_h: 3 }", [IMAGE],
         "has both kernel_size and kernel_h or kernel_w"),
        ("Convolution", "convolution_param { num_output: 2 kernel_h: 3 }", [IMAGE],
         "has only one of kernel_h and kernel_w; set both"),
        ("Convolution", "convolution_param { num_output: 2 kernel_size: 1 stride: 0 }", [IMAGE],
         "stride is 0; expected 1 or more"),
        ("Pooling", "pooling_param { global_pooling: true kernel_size: 2 }", [IMAGE],
         "global_pooling covers the whole image: leave out the kernel size"),
        ("Pooling", "pooling_param { global_pooling: true stride: 2 }", [IMAGE],
         "global_pooling needs pad 0 and stride 1"),
        ("SPP", "spp_param { pyramid_height: 2 pool: STOCHASTIC }", [IMAGE],
         "STOCHASTIC is not available in a pyramid; use MAX or AVE"),
        ("LRN", "lrn_param { local_size: 4 }", [IMAGE], "local_size is 4; expected an odd number"),
        ("LRN", "", [PAIR], r"needs a bottom of 4 axes; found shape \(2, 3\)"),
        ("BatchNorm", "param { lr_mult: 1 }", [IMAGE],
         "every param needs lr_mult: 0, but one has 1"),
        ("ArgMax", "", [()], r'bottom "a" has shape \(\): no axis'),
        ("BatchNorm", "", [()], "no axis"),
        ("EuclideanLoss", "", [(), ()], "no axis"),
        ("BatchReindex", "", [(), (5,)], 'bottom "a" has shape .*: no axis'),
        ("Filter", "", [(), ()], "no axis"),
        ("MVN", "", [(1, 2, 3, 4, 5)], "at most four axes"),
        ("Pooling", "pooling_param { kernel_size: 2 }", [(2, 0, 4, 5)],
         r"has shape \(2, 0, 4, 5\): no values per item"),
        ("BatchNorm", "", [(3, 0)], "no values per item"),
        ("Deconvolution", "convolution_param { num_output: 2 kernel_size: 2 }", [(2, 0, 4, 5)],
         "no values per item"),
        ("Scale", "scale_param { axis: 0 }", [(), (0, 0)], "no values per item"),
        ("PReLU", "", [(4,)], r"needs a bottom of 2 axes or more; found shape \(4,\)"),
        ("Exp", "exp_param { base: 0 }", [PAIR], "base is 0.*more than 0, or -1 for e"),
        ("Log", "log_param { base: 1 }", [PAIR], "base is 1, which has no logarithm"),
        ("Scale", "scale_param { axis: 1 num_axes: 4 }", [IMAGE],
         "num_axes is 4 from axis 1, but its bottom has shape"),
        ("Bias", "", [IMAGE, (5,)], r"its operand of shape \(5,\) does not fit its bottom"),
        ("Flatten", "flatten_param { axis: 2 end_axis: 1 }", [IMAGE],
         r"end_axis \(1\) is before axis \(2\)"),
        ("Flatten", "flatten_param { axis: 7 }", [IMAGE], "axis is 7, but its bottom has shape"),
        ("Tile", "tile_param { tiles: 0 }", [PAIR], "tiles is 0; expected 1 or more"),
        ("Embed", "embed_param { num_output: 2 }", [(2,)],
         "num_output is 2 and input_dim 0; expected 1"),
        ("ArgMax", "argmax_param { top_k: 4 }", [(2, 3, 1, 1)],
         "top_k is 4, but its bottom .* gives 3 values to choose from"),
        ("Accuracy", "accuracy_param { top_k: 4 }", [PAIR, (2,)], "top_k is 4, but its bottom"),
        ("BatchReindex", "", [PAIR, (2, 2)], "needs a second bottom of 1 axis"),
        ("Filter", "", [PAIR, PAIR, (2,)], "needs 2 tops, one fewer than bottoms"),
        ("Filter", "", [PAIR, (3,)], "needs one value per item in its last bottom"),
        ("InfogainLoss", "", [PAIR, (2,)], "needs a matrix: a third bottom, or source"),
        ("InfogainLoss", "loss_param { normalize: true }", [PAIR, (2,), (3, 3)],
         "needs loss_param.normalization instead of the older normalize"),
        ("InfogainLoss", "", [PAIR, (2,), (2, 2)], r"shape \(2, 2\), but 3 classes .* need 3 x 3"),
        ("LSTM", "", [(4, 2, 3), (4, 2)], "num_output is 0; expected 1 or more"),
        ("LSTM", "recurrent_param { num_output: 2 }", [(4, 2, 3), (4, 3)],
         r"cont of shape T x N; found \(4, 2, 3\) and \(4, 3\)"),
        ("RNN", "recurrent_param { num_output: 2 }", [(4, 2, 3), (4, 2), (3, 5)],
         r"its static input has shape \(3, 5\), but x holds N = 2 sequences"),
        ("RNN", "recurrent_param { num_output: 2 expose_hidden: true }",
         [(4, 2, 3), (4, 2), (1, 2, 2)], "needs 2 tops; found 1"),
        ("Slice", "slice_param { axis: 1 }", [(2, 0)], "no values per item"),
        ("Reshape", "reshape_param { shape { dim: 0 dim: 0 dim: 0 dim: 0 dim: 0 } }", [IMAGE],
         "dim 4 copies an axis that"),
        ("MemoryData", "memory_data_param { batch_size: 2 channels: 3 height: 4 }", [],
         r"height and width are \(2, 3, 4, 0\); expected 1 or more each"),
        ("DummyData", "dummy_data_param { shape { dim: 1 } data_filler { } data_filler { } }", [],
         "needs one data_filler, or one for each of its 1 tops; found 2"),
        ("HDF5Output", "", [PAIR, PAIR], "needs a file_name"),
        ("ImageData", 'image_data_param { source: "x" new_height: 5 }', [],
         "new_height and new_width must be set together"),
        ("WindowData", 'window_data_param { source: "x" batch_size: 2 context_pad: 4 } '
         "transform_param { crop_size: 8 }", [], "crop_size is more than twice context_pad"),
        ("WindowData", 'window_data_param { source: "x" batch_size: 1 crop_mode: "cut" } '
         "transform_param { crop_size: 8 }", [], 'crop_mode is "cut"; expected warp or square'),
        ("ReLU", "param { lr_mult: 1 }", [PAIR], "has 1 param entries, but 0 parameters"),
        ("ReLU", "loss_weight: 1 loss_weight: 2", [PAIR], "has 2 loss_weight for 1 tops"),
        ("ReLU", "propagate_down: true propagate_down: true", [PAIR],
         "has 2 propagate_down for 1 bottoms"),
    ],
)  # fmt: skip
def test_the_layer_and_what_it_found_are_named(type_, settings, shapes, words):
    tops = 0 if type_ == "HDF5Output" else 2 if type_ in _TWO_TOPS else 1
    with pytest.raises(InputError, match=words) as caught:
        net_of(type_, settings, shapes, tops)
    assert '"it"' in str(caught.value)


@pytest.mark.parametrize(
    ("type_", "settings", "words"),
    [
        ("Convolution", "convolution_param { num_output: 2 kernel_size: 1 }",
         r"its weights have shape \(2, 3, 1, 1\), for 3 channels, but its bottom \"a\" has shape "
         r"\(2, 5, 6, 6\)"),
        ("Deconvolution", "convolution_param { num_output: 2 kernel_size: 2 }", "for 3 channels"),
        ("BatchNorm", "", "its statistics are for 3 channels"),
        ("PReLU", "", "for 3 channels"),
        ("Scale", "", r"its operand of shape \(3,\) does not fit"),
    ],
)  # fmt: skip
def test_images_of_other_channels_do_not_fit_what_was_learned(type_, settings, words):
    net = net_of(type_, settings, [IMAGE], 1)
    net.forward()
    net.blobs["a"].reshape(2, 5, 6, 6)
    with pytest.raises(InputError, match=words):
        net.forward()
