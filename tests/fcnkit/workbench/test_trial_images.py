"""Images of a trial are read as the network takes them, whatever their number of channels."""

import io

import numpy as np
import pytest
from PIL import Image

from caffeformat import Weights, parse_text, pb, write_caffemodel
from fcnkit.images import ImageForm
from fcnkit.inference import TrainedNet
from fcnkit.workbench.segmenting import OpenNetwork
from fcnkit.workbench.trials import Source, from_file

pytestmark = pytest.mark.usefixtures("needs_engine")

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 4, 8, 8] } } }
layer { name: "p" type: "Pooling" bottom: "data" top: "p"
  pooling_param { pool: AVE kernel_size: 4 stride: 4 } }
layer { name: "score" type: "Deconvolution" bottom: "p" top: "score"
  convolution_param { num_output: 4 kernel_size: 4 stride: 4 group: 4 bias_term: false } }
"""


@pytest.fixture
def network(tmp_path):
    """A net of four channels whose class is the strongest of them in each square of 4x4 pixels."""
    net, weights = tmp_path / "net.prototxt", tmp_path / "w.caffemodel"
    net.write_text(NET)
    blobs = {"score": [np.ones((4, 1, 4, 4), np.float32)]}
    write_caffemodel(weights, Weights(blobs), parse_text(NET, pb.NetParameter))
    form = ImageForm(4, "uint8")
    return OpenNetwork(TrainedNet(str(net), str(weights), form=form, bands=(4, 3, 2)))


@pytest.mark.slow
def test_four_channels_of_a_size_that_the_net_does_not_take(network):
    pixels = np.zeros((10, 13, 4), np.uint8)
    pixels[:, :4, 3], pixels[:, 4:, 2] = 200, 100
    file = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(file, "PNG")
    image, label = from_file(file.getvalue(), "x.png").load_for(network)
    assert np.array_equal(image, pixels) and label is None
    scores, mask, blob = network.segment(image, "x.png")
    assert scores.shape == (4, 10, 13) and blob == "score"
    assert (mask[:, :4] == 3).all() and (mask[:, 4:] == 2).all()
    assert np.array_equal(network.shown(image), pixels[..., [3, 2, 1]])


def test_other_sources_give_what_they_load(network):
    image, label = np.zeros((4, 4, 4), np.uint8), np.ones((4, 4), np.uint8)
    found = Source("entry", lambda: (image, label)).load_for(network)
    assert found[0] is image and found[1] is label
