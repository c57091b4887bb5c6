"""Which nets compute the images of a batch by themselves."""

import pytest

from caffeformat import filter_net, parse_text, pb, read_net
from fcnkit.nets import deploy_net, mixes_images
from fcnkit.zoo import network_file

HEAD = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 8, 8] } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
"""


def why(body, scores=("score",)):
    net = filter_net(parse_text(HEAD + body, pb.NetParameter), pb.TEST)
    return mixes_images(net, "data", scores, (8, 8))


def layer(kind, body="", bottoms=("c",), tops=("score",)):
    blobs = "".join(f' bottom: "{b}"' for b in bottoms) + "".join(f' top: "{t}"' for t in tops)
    return f'layer {{ name: "x" type: "{kind}"{blobs} {body} }}'


@pytest.mark.parametrize(
    "body",
    [
        layer("ReLU"),
        layer("BatchNorm"),
        layer("BatchNorm", "batch_norm_param { use_global_stats: true }"),
        layer("BN", "bn_param { momentum: 0.9 }"),
        layer("BN", "bn_param { bn_mode: INFERENCE }"),
        layer("Softmax"),
        layer("Concat", bottoms=("c", "c")),
        layer("Concat", "concat_param { axis: -3 }", bottoms=("c", "c")),
        layer("Eltwise", bottoms=("c", "c")),
        layer("Scale"),
        layer("Scale", "scale_param { axis: 0 }", bottoms=("c", "c")),
        layer("Reshape", "reshape_param { shape { dim: [0, 2, 2, -1, 8] } }"),
        layer("ArgMax", "argmax_param { axis: 1 }"),
        layer("Permute", "permute_param { order: [0, 2, 3, 1] }"),
        # What does not lead to the scores does not count.
        layer("ReLU")
        + layer("BatchNorm", "batch_norm_param { use_global_stats: false }", tops=("y",)),
        # Nor what does not come from the image.
        'layer { name: "w" type: "Parameter" top: "w" parameter_param { shape { dim: 4 } } }'
        + layer("Scale", bottoms=("c", "w")),
    ],
)
def test_images_that_keep_to_themselves(body):
    assert why(body) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (layer("BatchNorm", "batch_norm_param { use_global_stats: false }"), "statistics"),
        (layer("BN", "bn_param { bn_mode: LEARN }"), "statistics"),
        (layer("BN", "bn_param { scale_filler { value: 1 } }"), "statistics"),
        (layer("Softmax", "softmax_param { axis: 0 }"), "along the axis"),
        (layer("Softmax", "softmax_param { axis: -4 }"), "along the axis"),
        (layer("Concat", "concat_param { axis: 0 }", bottoms=("c", "c")), "along the axis"),
        (layer("Concat", "concat_param { concat_dim: 0 }", bottoms=("c", "c")), "along the axis"),
        (layer("Slice", "slice_param { axis: 0 }"), "along the axis"),
        (layer("Scale", "scale_param { axis: 0 }"), "along the axis"),
        (layer("Tile", "tile_param { axis: 0 tiles: 2 }"), "along the axis"),
        (layer("Reduction"), "along the axis"),
        (layer("ArgMax", "argmax_param { axis: 0 }"), "along the axis"),
        (layer("ArgMax", "argmax_param { axis: -4 }"), "along the axis"),
        (layer("InnerProduct", "inner_product_param { num_output: 2 axis: 0 }"), "along the axis"),
        (layer("Permute", "permute_param { order: [1, 0, 2, 3] }"), "moves the axis"),
        (layer("Reshape", "reshape_param { shape { dim: [1, -1, 8, 8] } }"), "does not keep"),
        (layer("Reshape", "reshape_param { shape { dim: [-1, 8, 8] } }"), "does not keep"),
        (layer("Python", 'python_param { module: "m" layer: "L" }'), "is not known"),
        (layer("LSTM"), "is not known"),
        (
            'layer { name: "w" type: "Parameter" top: "w" '
            "parameter_param { shape { dim: [1, 4, 8, 8] } } }"
            + layer("Eltwise", bottoms=("c", "w")),
            "batches of one image",
        ),
        (
            # An image's channels weighted by a vector with one value for each image.
            layer("Reduction", "reduction_param { axis: 1 }", tops=("r",))
            + layer("Scale", "scale_param { axis: 1 }", bottoms=("c", "r")),
            "",
        ),
    ],
)
def test_images_that_change_each_other(body, words):
    found = why(body)
    assert found is not None and words in found


def test_all_but_the_mixing_ones_of_the_zoo_run_in_batches():
    for name in ("voc_fcn8s", "pspnet_50", "fcn_resnet_50", "fcn_camvid"):
        net, image = deploy_net(read_net(network_file(name, "deploy.prototxt")[0]), (473, 473))
        assert mixes_images(net, image, ["score"], (473, 473)) is None, name
