"""What no shape or place can be worked out for: errors name the layer and what it found."""

import pytest

from caffeformat import InputError, geometry, infer_shapes, parse_text, pb


def net_of(*layers, shapes=((1, 6, 8, 8),)):
    """A net of Input layers a, b, ... of these shapes and of the layers, each a prototxt's text."""
    inputs = ""
    for name, shape in zip("abc", shapes):
        dims = " ".join(f"dim: {size}" for size in shape)
        inputs += f'layer {{ name: "{name}" type: "Input" top: "{name}" '
        inputs += f"input_param {{ shape {{ {dims} }} }} }} "
    text = " ".join(f"layer {{ {layer} }}" for layer in layers)
    return parse_text(inputs + text, pb.NetParameter)


def one(type_, settings="", bottoms="a", tops=1):
    """The text of the layer `it`."""
    read = " ".join(f'bottom: "{name}"' for name in bottoms)
    written = " ".join(f'top: "top{number}"' for number in range(tops))
    return f'name: "it" type: "{type_}" {read} {written} {settings}'


BOTH = ((1, 6, 8, 8), (1, 6, 5, 5))


@pytest.mark.parametrize(
    ("layer", "shapes", "words"),
    [
        (one("Crop"), BOTH, "has 1 bottoms; expected two"),
        (one("Crop", bottoms="ab"), ((1, 6, 8, 8), (5, 5)), "they differ in their number of axes"),
        (one("Crop", "crop_param { offset: 1 offset: 2 offset: 3 }", "ab"), BOTH,
         "3 offsets for 2 cropped axes; expected one, or one per axis"),
        (one("Crop", "crop_param { offset: 4 }", "ab"), BOTH, '"it"'),
        (one("Slice", "slice_param { axis: 1 slice_dim: 1 }", tops=2), BOTH,
         "has both axis and slice_dim"),
        (one("Concat", "concat_param { axis: 1 concat_dim: 2 }", "aa"), BOTH,
         "has both axis and concat_dim"),
        (one("Slice", "slice_param { axis: 1 }", tops=4), BOTH, "does not divide into 4 tops"),
        (one("Slice", "slice_param { axis: 1 slice_point: 6 }", tops=2), BOTH,
         r"slice points \[6\] do not cut axis 1 of its bottom \(1, 6, 8, 8\) into 2 tops"),
        (one("Slice", "slice_param { slice_point: 4 slice_point: 2 }", tops=3), BOTH,
         r"slice points \[4, 2\] do not cut axis 1"),
        (one("InnerProduct"), BOTH, "its num_output is missing"),
        (one("Reshape", "reshape_param { axis: 5 }"), BOTH, "no axes 5 to 4 in its bottom"),
        (one("Reshape", "reshape_param { axis: 2 num_axes: 1 shape { dim: 0 dim: 0 } }"), BOTH,
         "dim 1 copies an axis that"),
        (one("Convolution", "convolution_param { num_output: 2 }"), BOTH, "kernel"),
        (one("Convolution", "convolution_param { num_output: 2 kernel_size: 1 pad: 1 pad_w: 1 }"),
         BOTH, "has both pad and pad_h or pad_w"),
        (one("Pooling", "pooling_param { kernel_size: 2 stride: 0 }"), BOTH, "stride is 0; expect"),
        (one("Pooling", "pooling_param { kernel_size: 2 kernel_h: 2 kernel_w: 2 }"), BOTH,
         "has both kernel_size and kernel_h or kernel_w"),
        (one("Pooling", "pooling_param { kernel_size: 2 }"), ((4, 5),),
         r"expected a bottom of shape N x C x H x W, found \(4, 5\)"),
    ],
)  # fmt: skip
def test_shapes(layer, shapes, words):
    with pytest.raises(InputError, match=words) as caught:
        infer_shapes(net_of(layer, shapes=shapes))
    assert '"it"' in str(caught.value)


POOL = 'name: "pool" type: "Pooling" bottom: "a" top: "p" top: "mask" pooling_param { %s }'
UP = 'name: "up" type: "Upsample" bottom: "p" bottom: "mask" top: "u" upsample_param { %s }'


def test_unpooled_pixels_lie_where_they_were():
    net = net_of(POOL % "kernel_size: 2 stride: 2", UP % "scale: 2")
    found = geometry.coord_map(net, "u", "a")
    assert set(found.scale) == {1} and set(found.shift) == {0}


@pytest.mark.parametrize(
    "layers",
    [
        [POOL % "kernel_size: 2 stride: 2", UP % "upsample_h: 8 upsample_w: 8"],
        [POOL % "global_pooling: true", 'name: "r" type: "ReLU" bottom: "p" top: "u"'],
        ['name: "c" type: "Concat" bottom: "a" bottom: "a" top: "u" concat_param { axis: 2 }'],
    ],
)
def test_layers_that_leave_no_places_are_not_guessed_at(layers):
    with pytest.raises(InputError):
        geometry.coord_map(net_of(*layers), "u", "a")


CONV = 'name: "conv" type: "Convolution" bottom: "a" top: "c" convolution_param { %s }'
CROP = 'name: "crop" type: "Crop" %s top: "out" crop_param { %s }'
AB = 'bottom: "a" bottom: "c"'


@pytest.mark.parametrize(
    ("convolution", "crop", "offset"),
    [
        ("kernel_size: 5", "axis: 2", 2),
        ("kernel_size: 5", "axis: 3", 2),
        ("kernel_size: 5", "axis: -2", 2),
        ("kernel_size: 5", "axis: 1", (0, 2, 2)),
        ("kernel_h: 3 kernel_w: 7", "axis: 2", (1, 3)),
        ("kernel_h: 3 kernel_w: 7", "axis: 3", 3),
        ("kernel_size: 5 pad: 2", "axis: 2", 0),
    ],
)
def test_offsets_are_those_of_the_axes_that_are_cropped(convolution, crop, offset):
    net = net_of(CONV % f"num_output: 6 {convolution}", CROP % (AB, crop))
    assert geometry.crop_offset(net, "crop") == geometry.crop_offset(net, 2) == offset


@pytest.mark.parametrize(
    ("convolution", "bottoms", "name", "words"),
    [
        ("kernel_size: 5", AB, "drop", 'no Crop layer "drop".*Crop layers are: crop'),
        ("kernel_size: 5", 'bottom: "a"', "crop", "has 1 bottoms; expected two"),
        ("kernel_size: 2", AB, "crop", r"begins at 0.5; expected a whole number of 0 or more"),
        ("kernel_size: 1 pad: 1", AB, "crop", "begins at -1; expected a whole number"),
        ("kernel_size: 1 stride: 2", AB, "crop", "is scaled by 2; a Crop can only align"),
    ],
)
def test_crops_that_cannot_align_their_blobs(convolution, bottoms, name, words):
    net = net_of(CONV % f"num_output: 6 {convolution}", CROP % (bottoms, "axis: 2"))
    with pytest.raises(InputError, match=words):
        geometry.crop_offset(net, name)


def test_a_name_that_several_crops_have_needs_an_index():
    crop = CROP % (AB, "axis: 2")
    net = net_of(CONV % "num_output: 6 kernel_size: 3", crop, crop.replace('"out"', '"second"'))
    with pytest.raises(InputError, match=r'give the index .* 2 \(top "out"\), 3 \(top "second"\)'):
        geometry.crop_offset(net, "crop")
    assert geometry.crop_offset(net, 3) == 1


def test_windows_of_more_axes_than_caffe_has_are_refused_at_once():
    """However many there are, drawings and shapes do not go through them."""
    many = "convolution_param { num_output: 1 " + "kernel_size: 3 " * 100_000 + "}"
    net = net_of(one("Convolution", many))
    for work in (geometry.receptive_fields, geometry.layer_map):
        with pytest.raises(InputError, match='layer "it": its window has 100000 axes'):
            work(net if work is geometry.receptive_fields else net.layer[-1])
