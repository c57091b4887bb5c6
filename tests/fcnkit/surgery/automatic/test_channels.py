"""A classifier for images of another number of channels than it was trained on."""

import numpy as np
import pytest

from caffeformat import (
    InputError,
    Weights,
    parse_text,
    pb,
    read_caffemodel,
    read_net,
    write_caffemodel,
    write_text,
)
from fcnkit import engine
from fcnkit.commands import main
from fcnkit.nets import net_parameters
from fcnkit.surgery import Images, for_channels, with_channels

NET = """
name: "small"
layer { name: "data" type: "Input" top: "data"
        input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "fc" type: "InnerProduct" bottom: "conv1" top: "fc"
        inner_product_param { num_output: 6 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


def net(text=NET):
    return parse_text(text, pb.NetParameter, "net")


def weights(of):
    random = np.random.RandomState(0)
    return Weights(
        {
            layer.name: [random.standard_normal(blob.shape).astype(np.float32) for blob in blobs]
            for layer, blobs in net_parameters(of)
        }
    )


@pytest.mark.parametrize(
    ("channels", "bands", "places"), [(4, None, (1, 2, 3)), (10, (4, 3, 2), (4, 3, 2))]
)
def test_colours_keep_their_weights_wherever_their_bands_are(channels, bands, places):
    old = weights(net())
    changed, new, changes = with_channels(net(), old, channels, bands)
    assert list(changed.layer[0].input_param.shape[0].dim) == [1, channels, 9, 9]
    assert changes == {"conv1": f"reads {channels} channels in place of 3"}
    kernels = new["conv1"][0]
    assert kernels.shape == (4, channels, 3, 3) and np.array_equal(new["fc"][0], old["fc"][0])
    blue, green, red = old["conv1"][0].transpose(1, 0, 2, 3)
    for band, colour in zip(places, (red, green, blue)):
        assert np.array_equal(kernels[:, band - 1], colour)
    average = old["conv1"][0].mean(1)
    for band in set(range(1, channels + 1)) - set(places):
        assert np.allclose(kernels[:, band - 1], average)
    assert old["conv1"][0].shape == (4, 3, 3, 3)


@pytest.mark.usefixtures("needs_engine")
def test_a_grey_image_gives_what_three_equal_channels_gave():
    old = weights(net())
    changed, new, _ = with_channels(net(), old, 1)
    grey = np.random.RandomState(1).standard_normal((1, 1, 9, 9)).astype(np.float32)
    scores = []
    for text, values, image in ((net(), old, np.repeat(grey, 3, 1)), (changed, new, grey)):
        opened = engine.open_net(text)
        for name, blobs in engine.layer_params(opened).items():
            for blob, array in zip(blobs, values[name]):
                blob.data[...] = array
        opened.blobs["data"].data[...] = image
        opened.forward()
        scores.append(opened.blobs["fc"].data.copy())
    assert np.allclose(*scores, rtol=1e-4, atol=1e-4)


def test_what_cannot_be_widened_is_named():
    grouped = net(NET.replace("num_output: 4", "num_output: 6 group: 3"))
    with pytest.raises(InputError, match=r'layer "conv1": reads the image in 3 groups'):
        with_channels(grouped, None, 4)
    with pytest.raises(InputError, match=r"expected one Input layer for images, found 0"):
        with_channels(net(NET.split("\n", 4)[4]), None, 4)
    with pytest.raises(InputError, match="three channels of 4, counted from 1"):
        with_channels(net(), None, 4, (5, 3, 2))


def test_a_mean_of_other_channels_is_not_taken_over():
    three = Images((1.0, 2.0, 6.0), 1.0, "from x", None)
    assert for_channels(three, 3) == three
    assert for_channels(three, 1).mean == (3.0,)
    many = for_channels(three, 10)
    assert many.mean == () and "--mean with 10 values" in many.note


def test_the_command_makes_an_fcn_of_ten_bands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_text("small.prototxt", net())
    write_caffemodel("small.caffemodel", weights(net()))
    means = ",".join(str(i) for i in range(10))
    arguments = ["--net", "small.prototxt", "--weights", "small.caffemodel", "--classes", "5"]
    command = "fcnkit.commands.net_surgery"
    more = ["--channels", "10", "--bands", "4,3,2", "--mean", means, "-o", "fcn"]
    assert main.run_module(command, [*arguments, *more]) == 0
    assert "reads 10 channels in place of 3" in capsys.readouterr().out
    (image, *_) = read_net("fcn/deploy.prototxt").layer
    assert image.input_param.shape[0].dim[1] == 10
    assert read_caffemodel("fcn/fcn.caffemodel")["conv1"][0].shape == (4, 10, 3, 3)
    data = read_net("fcn/train_val.prototxt").layer[0]
    assert list(data.transform_param.mean_value) == list(range(10))
    assert main.run_module(command, [*arguments, "--bands", "4,3,2", "-o", "other"]) == 1
    assert "pass --channels, too" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("type_", "shapes"), [("BatchNorm", [(3,), (3,), (1,)]), ("Scale", [(3,)]), ("PReLU", [(3,)])]
)
def test_weights_per_channel_of_the_image_are_refused(type_, shapes):
    """As of nets that normalize the image themselves, in place of a mean."""
    first = f'layer {{ name: "data/bn" type: "{type_}" bottom: "data" top: "data" }}'
    normed = net(NET.replace('layer { name: "conv1"', first + ' layer { name: "conv1"'))
    blobs = {**weights(net()), "data/bn": [np.ones(shape, np.float32) for shape in shapes]}
    with pytest.raises(InputError, match=rf'layer "data/bn" \({type_}\): has a weight for every'):
        with_channels(normed, Weights(blobs), 4)
    assert with_channels(normed, None, 4).changes  # they start with their fillers' values
