"""Class weights: the published formula, and the loss layer that carries them."""

import numpy as np
import pytest

from caffeformat import InputError, parse_text, pb, read_blob
from fcnkit.datasets import median_frequency_weights, open_dataset
from fcnkit.images import voc_palette, write_label
from fcnkit.training.loss import weigh_loss

LOSS = """
name: "tiny"
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss"
        loss_param { ignore_label: 255 normalize: true } }
"""


@pytest.fixture
def train_split(tmp_path):
    """Two 4 x 4 labels: class 0 in both, class 1 in the second only, class 2 nowhere."""
    from PIL import Image

    for kind in ("images", "labels"):
        (tmp_path / "train" / kind).mkdir(parents=True)
    second = np.zeros((4, 4), np.uint8)
    second[0] = 1
    second[1] = 255
    for name, label in (("a", np.zeros((4, 4), np.uint8)), ("b", second)):
        write_label(tmp_path / "train" / "labels" / f"{name}.png", label, voc_palette())
        Image.new("RGB", (4, 4)).save(tmp_path / "train" / "images" / f"{name}.png")
    return open_dataset(tmp_path, "train")


def test_a_class_half_as_frequent_weighs_twice_as_much():
    weights = median_frequency_weights([60, 30, 0], [100, 100, 0])
    assert weights[1] == pytest.approx(2 * weights[0])
    assert weights[2] is None


def test_the_loss_becomes_an_infogain_loss_with_the_weights_on_its_diagonal(train_split, tmp_path):
    net = parse_text(LOSS, pb.NetParameter)
    weights = weigh_loss(net, train_split, 3, 1.0, tmp_path)
    # Class 0 has 24 of 28 labelled pixels, class 1 has 4 of the 12 in its image.
    frequencies = np.array([24 / 28, 4 / 12])
    np.testing.assert_allclose(weights[:2], np.median(frequencies) / frequencies)
    assert weights[2] == 1
    (layer,) = net.layer
    assert layer.type == "InfogainLoss"
    assert layer.loss_param.ignore_label == 255
    assert layer.loss_param.normalization == pb.LossParameter.VALID
    assert not layer.loss_param.HasField("normalize")
    matrix = read_blob(layer.infogain_loss_param.source)
    assert matrix.shape == (1, 1, 3, 3)
    np.testing.assert_allclose(matrix[0, 0], np.diag(weights), rtol=1e-6)


def test_power_makes_weights_milder(train_split, tmp_path):
    full = weigh_loss(parse_text(LOSS, pb.NetParameter), train_split, 2, 1.0, tmp_path)
    mild = weigh_loss(parse_text(LOSS, pb.NetParameter), train_split, 2, 0.5, tmp_path)
    np.testing.assert_allclose(mild, np.sqrt(full))


def test_a_net_without_softmax_loss_is_named(train_split, tmp_path):
    with pytest.raises(InputError, match=r"'tiny'.*SoftmaxWithLoss"):
        weigh_loss(
            parse_text('name: "tiny"', pb.NetParameter),
            train_split,
            2,
            1.0,
            tmp_path,
        )


def test_powers_that_no_float32_holds_are_named(train_split, tmp_path):
    net = parse_text(LOSS, pb.NetParameter)
    with pytest.raises(InputError, match="range of float32 with class_weights=500: choose"):
        weigh_loss(net, train_split, 3, 500, tmp_path)
    assert net.layer[0].type == "SoftmaxWithLoss"
