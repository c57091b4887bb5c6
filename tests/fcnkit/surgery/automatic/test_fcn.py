"""FCNs of classifiers that surgery has never seen, from their text."""

import more_classifiers
import pytest

from caffeformat import InputError, geometry, infer_shapes, parse_text, pb, read_net
from fcnkit import zoo
from fcnkit.surgery import fcn_from_classifier, name_fillers
from fcnkit.surgery.automatic.report import format_table, rows

SHIPPED = [
    "bvlc_alexnet",
    "bvlc_reference_caffenet",
    "vgg16",
    "bvlc_googlenet",
    "resnet_50",
    "resnet_101",
]
OTHERS = ["vgg19", "squeezenet", "mobilenet"]


def classifier(name):
    if name in OTHERS:
        return getattr(more_classifiers, name)()
    return read_net(zoo.path(name, "deploy.prototxt"))


def crops(fcn):
    return {
        layer.name: list(layer.crop_param.offset) for layer in fcn.net.layer if layer.type == "Crop"
    }


def layer_of(fcn, name):
    return next(layer for layer in fcn.net.layer if layer.name == name)


@pytest.mark.quick_cases(6)
@pytest.mark.parametrize("name", SHIPPED + OTHERS)
@pytest.mark.parametrize("way", ["coarse", "skips", "dilated"])
def test_every_image_gets_a_score_for_each_pixel(name, way):
    net = classifier(name)
    coarsest = 16 if name == "squeezenet" else 32
    stride = coarsest if way == "coarse" else 8
    fcn = fcn_from_classifier(net, 21, stride, dilated=way == "dilated")
    for height, width in ((1, 1), (2, 97), (224, 225), (333, 500)):
        shapes = infer_shapes(fcn.net, {fcn.image: (1, 3, height, width)})
        assert shapes[fcn.net.layer[-1].top[0]] == (1, 21, height, width)
    strides = [stage.stride for stage in fcn.stages]
    assert strides == {"coarse": [coarsest], "dilated": [8]}.get(
        way, [s for s in (32, 16, 8) if s <= coarsest]
    )
    assert not any(layer.type in ("InnerProduct", "Softmax") for layer in fcn.net.layer)


def test_no_less_padding_would_do():
    fcn = fcn_from_classifier(classifier("vgg16"), 21, 32)
    first = layer_of(fcn, "conv1_1").convolution_param
    # 1 of its own; Long et al. took 100.
    assert (list(first.pad), fcn.pad) == ([97], 96)
    first.pad[0] -= 1
    with pytest.raises(InputError, match="nothing is left"):
        infer_shapes(fcn.net, {"data": (1, 3, 1, 1)})


def test_dilation_needs_no_padding_where_nothing_shrinks():
    assert fcn_from_classifier(classifier("mobilenet"), 21, 8, dilated=True).pad == 0
    assert fcn_from_classifier(classifier("mobilenet"), 21, 32).pad == 0


def test_longs_skips_and_padding_give_longs_offsets():
    fcn = fcn_from_classifier(classifier("vgg16"), 21, 8, skips=["pool4", "pool3"], pad=99)
    assert crops(fcn) == {"score_pool4c": [5], "score_pool3c": [9], "score": [31]}
    published = read_net(zoo.path("voc_fcn8s", "deploy.prototxt"))
    for layer, other in zip(fcn.net.layer, published.layer):
        if layer.type == "Convolution" and layer.name in ("conv1_1", "fc6", "fc7"):
            kernel, pad = other.convolution_param.kernel_size, other.convolution_param.pad
            assert layer.convolution_param.kernel_size == kernel
            assert sum(layer.convolution_param.pad) == sum(pad)


@pytest.mark.slow
def test_skips_are_the_last_joint_features_of_each_stride():
    def skips(name):
        return [s.blob for s in fcn_from_classifier(classifier(name), 21, 4).stages[1:]]

    assert skips("vgg16") == ["conv5_3", "conv4_3", "conv3_3"]
    assert skips("squeezenet") == ["fire5/concat", "fire3/concat"]
    assert skips("bvlc_googlenet") == [
        "inception_4e/output",
        "inception_3b/output",
        "conv2/norm2",
    ]


def test_skips_start_at_zero_and_upsampling_stays_bilinear():
    fcn = fcn_from_classifier(classifier("mobilenet"), 5, 16)
    skip, up = layer_of(fcn, "score_conv12/sep"), layer_of(fcn, "upscore")
    assert not skip.convolution_param.HasField("weight_filler")
    assert skip.param[0].lr_mult == 1
    assert up.convolution_param.weight_filler.type == "bilinear"
    assert up.param[0].lr_mult == 0
    assert up.convolution_param.group == up.convolution_param.num_output == 5


def test_dilated_layers_keep_names_and_see_as_far():
    net = classifier("mobilenet")
    before = geometry.receptive_fields(fcn_from_classifier(net, 21, 32).net)["score_fr"]
    fcn = fcn_from_classifier(net, 21, 8, dilated=True)
    after = geometry.receptive_fields(fcn.net)["score_fr"]
    assert (before.size, before.center) == (after.size, after.center)
    deep = layer_of(fcn, "conv14/dw").convolution_param
    assert (list(deep.dilation), list(deep.pad), list(deep.stride)) == ([4], [4], [1])


def test_auxiliary_heads_and_what_follows_the_scores_are_dropped():
    net = classifier("squeezenet")
    extra = """
    layer { name: "aux" type: "InnerProduct" bottom: "fire4/concat" top: "aux"
            inner_product_param { num_output: 9 } }
    layer { name: "aux_loss" type: "SoftmaxWithLoss" bottom: "aux" bottom: "label" top: "l" }
    """
    aux = parse_text(extra, pb.NetParameter).layer
    last = pb.LayerParameter()
    last.CopyFrom(net.layer[-1])
    del net.layer[-1]
    net.layer.extend([*aux, last])
    fcn = fcn_from_classifier(net, 21, 16)
    assert dict(fcn.dropped) == {
        "relu_conv10": "after the scores",
        "pool10": "after the scores",
        "aux": "beside the main scores",
        "aux_loss": "loss or measure",
        "prob": "after the scores",
    }
    assert [row[:2] for row in rows(fcn)[-4:]] == [
        ("relu_conv10 .. pool10", "dropped: after the scores (2)"),
        ("aux", "dropped: beside the main scores"),
        ("aux_loss", "dropped: loss or measure"),
        ("prob", "dropped: after the scores"),
    ]


def test_the_input_of_a_deploy_net_is_kept_and_data_layers_are_not():
    body = """
    layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
            convolution_param { num_output: 3 kernel_size: 3 } }
    """
    upgraded = """
    layer { name: "input" type: "Input" top: "data"
            input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
    """
    reader = """
    layer { name: "read" type: "Data" top: "data" top: "label"
            transform_param { crop_size: 9 } data_param { source: "lmdb" batch_size: 1 } }
    """
    for source, dropped in ((upgraded, []), (reader, [("read", "input")])):
        assert fcn_from_classifier(parse_text(source + body, pb.NetParameter), 2).dropped == dropped


def test_a_first_pooling_is_padded_by_a_layer_before_it():
    net = parse_text(
        """
        layer { name: "data" type: "Input" top: "data"
                input_param { shape { dim: 1 dim: 2 dim: 16 dim: 16 } } }
        layer { name: "pool" type: "Pooling" bottom: "data" top: "pool"
                pooling_param { kernel_size: 2 stride: 2 } }
        layer { name: "conv" type: "Convolution" bottom: "pool" top: "conv"
                convolution_param { num_output: 4 kernel_size: 3 } }
        layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
                inner_product_param { num_output: 3 } }
        """,
        pb.NetParameter,
    )
    fcn = fcn_from_classifier(net, 3)
    padding = layer_of(fcn, "data_padded")
    assert padding.convolution_param.pad[0] == fcn.pad > 0
    assert padding.convolution_param.weight_filler.value == 1
    assert padding.param[0].lr_mult == 0
    assert infer_shapes(fcn.net, {"data": (1, 2, 1, 3)})["score"] == (1, 3, 1, 3)


def test_scores_can_be_kept_where_the_classes_are_the_same():
    net = classifier("shapes_classifier")
    fcn = fcn_from_classifier(net, 6, 8, keep_scores=True)
    assert layer_of(fcn, "fc7").convolution_param.num_output == 6
    with pytest.raises(InputError, match=r"scores 6 classes, expected 5.*pass classes=6"):
        fcn_from_classifier(net, 5, 8, keep_scores=True)


def test_without_weights_old_layers_name_fillers_and_scores_start_at_zero():
    fcn = fcn_from_classifier(classifier("mobilenet"), 5)
    name_fillers(fcn)
    assert layer_of(fcn, "conv1").convolution_param.weight_filler.type == "msra"
    assert not layer_of(fcn, "score_fr").convolution_param.HasField("weight_filler")


def test_the_table_reports_what_happened_where():
    fcn = fcn_from_classifier(classifier("vgg16"), 21, 16)
    table = {row.layer: row for row in rows(fcn)}
    assert table["fc6"].action == "inner product -> convolution 7x7"
    assert (table["fc6"].stride, table["fc6"].field) == ("32", "404")
    assert table["conv5_3"].action == "features of stride 16"
    assert table["score_conv5_3c"].offset == "5"
    assert table["prob"].action == "dropped: after the scores"
    assert table["relu1_1 .. relu5_2"].action.startswith("kept")
    assert "padded by 96 pixels" in format_table(fcn)


def test_branches_that_a_classifier_joins_apart_are_reported():
    net = parse_text(
        f"""
        {INPUT} {CONV.replace("kernel_size: 3", "kernel_size: 3 stride: 2 pad: 1")}
        layer {{ name: "pool" type: "Pooling" bottom: "data" top: "pool"
                pooling_param {{ kernel_size: 2 stride: 2 }} }}
        layer {{ name: "both" type: "Concat" bottom: "conv" bottom: "pool" top: "both" }}
        {FC % "both"}
        """,
        pb.NetParameter,
    )
    fcn = fcn_from_classifier(net, 3)
    assert fcn.changes["both"] == "joins branches that lie 0.5 pixels apart"
    aligned = fcn_from_classifier(classifier("bvlc_googlenet"), 3)
    assert "joins" not in str(aligned.changes)


INPUT = """layer { name: "data" type: "Input" top: "data"
                   input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } } }"""
CONV = """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
                  convolution_param { num_output: 4 kernel_size: 3 } }"""
FC = """layer { name: "fc" type: "InnerProduct" bottom: "%s" top: "fc"
                inner_product_param { num_output: 3 } }"""


@pytest.mark.parametrize("name", ["voc_fcn8s", "fcn_resnet_50", "pspnet_50"])
@pytest.mark.parametrize("file", ["deploy.prototxt", "train_val.prototxt"])
def test_what_is_an_fcn_already_is_not_a_classifier(name, file):
    with pytest.raises(InputError, match=r"fully convolutional already.*edit_weights grow"):
        fcn_from_classifier(read_net(zoo.path(name, file)), 21)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([INPUT, FC % "data"], "no spatial layer.*start from a convolutional"),
        ([INPUT, CONV.replace("Convolution", "Warp"), FC % "conv"], "type 'Warp' is not known"),
        ([CONV, FC % "conv"], "size of its images.*deploy.prototxt"),
        ([INPUT, 'layer { name: "p" type: "ReLU" bottom: "data" top: "p" }'], "scores classes"),
        (
            [
                INPUT,
                CONV,
                'layer { name: "turn" type: "Reshape" bottom: "conv" top: "turn" '
                "reshape_param { shape { dim: 0 dim: 0 dim: -1 dim: 1 } } }",
                FC % "turn",
            ],
            'layer "turn".*it is unknown where',
        ),
        (
            [INPUT, CONV.replace("kernel_size: 3", "kernel_size: 3 stride_h: 2 stride_w: 4"),
             FC % "conv"],
            "stride of 2 x 4 pixels",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_slid_over_images_is_an_error(layers, message):
    net = parse_text("\n".join(layers), pb.NetParameter)
    with pytest.raises(InputError, match=message):
        fcn_from_classifier(net, 3)


def test_an_error_about_a_missing_stride_lists_the_strides_there_are():
    net = classifier("vgg16")
    with pytest.raises(InputError, match=r"strides 1 \(conv1_2\), 2 \(conv2_2\).*32 \(fc8\)"):
        fcn_from_classifier(net, 21, 64)
    with pytest.raises(InputError, match="stride 0: the features"):
        fcn_from_classifier(net, 21, 0)
    with pytest.raises(InputError, match="nothing to dilate"):
        fcn_from_classifier(net, 21, 32, dilated=True)
    with pytest.raises(InputError, match='skip "pool9": the classifier has no such blob'):
        fcn_from_classifier(net, 21, 8, skips=["pool9"])
    with pytest.raises(InputError, match="skip pool5: has stride 32, no finer than"):
        fcn_from_classifier(net, 21, 16, skips=["pool5", "pool4"])
    with pytest.raises(InputError, match="the finest skip, pool4, has stride 16; pass stride=16"):
        fcn_from_classifier(net, 21, skips=["pool4"])
    with pytest.raises(InputError, match=r"padding the image by 5 is too little.*96"):
        fcn_from_classifier(net, 21, 32, pad=5)
    with pytest.raises(InputError, match="at least two"):
        fcn_from_classifier(net, 1)
