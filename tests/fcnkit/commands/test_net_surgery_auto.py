"""The command net_surgery --classes: a folder with the FCN of a classifier."""

import json
import os
import shutil
import tarfile

import numpy as np
import pytest

from caffeformat import (
    Weights,
    filter_net,
    pb,
    read_caffemodel,
    read_net,
    write_blob,
    write_caffemodel,
)
from fcnkit.commands import main
from fcnkit.nets import net_parameters

MODEL = """
name: "small"
layer { name: "data" type: "Input" top: "data"
        input_param { shape { dim: 1 dim: 3 dim: 20 dim: 20 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
        pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
        convolution_param { num_output: 6 kernel_size: 3 pad: 1 stride: 2 } }
layer { name: "fc1" type: "InnerProduct" bottom: "conv2" top: "fc1"
        inner_product_param { num_output: 8 } }
layer { name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2"
        inner_product_param { num_output: 10 } }
layer { name: "prob" type: "Softmax" bottom: "fc2" top: "prob" }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a classifier and its weights."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.prototxt").write_text(MODEL)
    random = np.random.RandomState(0)
    weights = Weights(
        {
            layer.name: [random.standard_normal(blob.shape).astype(np.float32) for blob in blobs]
            for layer, blobs in net_parameters(read_net("small.prototxt"))
        }
    )
    write_caffemodel("small.caffemodel", weights)
    return tmp_path


def surgery(*arguments):
    return main.main(["net_surgery", "--model", "small.prototxt", *arguments])


def test_the_folder_holds_all_that_training_needs(folder, capsys):
    assert surgery("--weights", "small.caffemodel", "--classes", "5", "--stride", "2") == 0
    out = capsys.readouterr().out
    assert "fc1" in out and "inner product -> convolution 5x5" in out
    assert "6 of 12 blobs come from small.caffemodel" in out
    assert sorted(os.listdir("fcn_small")) == [
        "deploy.prototxt",
        "fcn_small.caffemodel",
        "network.svg",
        "solver.prototxt",
        "surgery.txt",
        "train_val.prototxt",
    ]
    assert (folder / "fcn_small" / "surgery.txt").read_text() in out
    before, after = (
        read_caffemodel("small.caffemodel"),
        read_caffemodel("fcn_small/fcn_small.caffemodel"),
    )
    np.testing.assert_array_equal(before["fc1"][0].ravel(), after["fc1"][0].ravel())
    assert not after["score_fr"][0].any() and not after["score_pool1"][0].any()
    assert main.main(["check_crops", "fcn_small/deploy.prototxt"]) == 0


@pytest.fixture
def download(folder):
    """The classifier as DIGITS offers it for download, with a mean image of 20 x 20."""
    os.makedirs("model")
    os.rename("small.prototxt", "model/deploy.prototxt")
    os.rename("small.caffemodel", "model/snapshot_iter_30.caffemodel")
    mean = np.zeros((1, 3, 20, 20), np.float32) + np.float32([10, 20, 30])[:, None, None]
    write_blob("model/mean.binaryproto", mean)
    (folder / "model/train_val.prototxt").write_text(
        'layer { name: "data" type: "Data" top: "data" top: "label" '
        "transform_param { scale: 0.5 } data_param { batch_size: 1 } }"
    )
    info = {
        "framework": "caffe",
        "deploy file": "deploy.prototxt",
        "mean file": "mean.binaryproto",
        "mean subtraction": "pixel",
        "snapshot file": "snapshot_iter_30.caffemodel",
    }
    (folder / "model/info.json").write_text(json.dumps(info))
    with tarfile.open("flowers.tar.gz", "w:gz") as archive:
        archive.add("model", ".")
    return "flowers.tar.gz"


def test_a_classifier_of_digits_becomes_an_fcn(download, capsys):
    words = ["net_surgery", "--classes", "5", "--stride", "2", "--digits-model"]
    assert main.main([*words, download]) == 0
    out = capsys.readouterr().out
    assert "6 of 12 blobs come from snapshot_iter_30.caffemodel" in out
    assert "wrote " in out and "to fcn_flowers" in out
    assert "--mean 10,20,30" in out and "(from the DIGITS model)" in out
    before = read_caffemodel("model/snapshot_iter_30.caffemodel")
    after = read_caffemodel("fcn_flowers/fcn_flowers.caffemodel")
    np.testing.assert_array_equal(before["fc1"][0].ravel(), after["fc1"][0].ravel())
    train = read_net("fcn_flowers/train_val.prototxt")
    transform = train.layer[0].transform_param
    assert list(transform.mean_value) == [10, 20, 30] and transform.scale == 0.5

    assert main.main([*words, "model", "--output", "other", "--mean", "1,2,3"]) == 0
    assert "--mean 1,2,3" in capsys.readouterr().out
    assert main.main([*words, "model", "--output", "model/inside"]) == 1
    assert main.main([*words, download, "--weights", "x.caffemodel"]) == 1
    assert "--digits-model is a net with its weights: pass it alone" in capsys.readouterr().err


def test_weights_of_a_digits_model_fill_a_network_that_exists(download, capsys):
    shutil.copy("model/deploy.prototxt", "target.prototxt")
    words = ["net_surgery", "--digits-model", download, "--target", "target.prototxt"]
    assert main.main([*words, "--output", "filled.caffemodel"]) == 0
    assert "8 of 8 blobs come from snapshot_iter_30.caffemodel" in capsys.readouterr().out


def test_the_engine_runs_what_was_written(folder):
    caffe = pytest.importorskip("torchcaffe")
    assert surgery("--weights", "small.caffemodel", "--classes", "5", "--stride", "2") == 0
    net = caffe.Net("fcn_small/deploy.prototxt", "fcn_small/fcn_small.caffemodel", caffe.TEST)
    net.blobs["data"].reshape(1, 3, 33, 47)
    net.params["score_fr"][1].data[...] = np.arange(5)
    scores = net.forward()["score"]
    assert scores.shape == (1, 5, 33, 47)
    # Biases alone come through the bilinear upsampling as they are, save at the border.
    np.testing.assert_allclose(scores[0, :, 16, 23], np.arange(5), atol=1e-5)


def test_train_val_reads_databases_and_scores_labels(folder):
    assert surgery("--classes", "5", "--mean", "1,2,3") == 0
    net = read_net("fcn_small/train_val.prototxt")
    train = filter_net(net, pb.TRAIN)
    assert [layer.type for layer in train.layer[:2]] == ["Data", "Data"]
    assert list(train.layer[0].transform_param.mean_value) == [1, 2, 3]
    assert train.layer[-1].type == "SoftmaxWithLoss"
    assert list(train.layer[-1].bottom) == ["score", "label"]
    assert filter_net(net, pb.TEST).layer[-1].type == "Accuracy"
    # Without weights, what would start at zero for ever names a filler.
    first = next(layer for layer in train.layer if layer.name == "conv1")
    assert first.convolution_param.weight_filler.type == "msra"
    assert not (folder / "fcn_small" / "fcn_small.caffemodel").exists()


def test_mean_and_scale_of_the_classifiers_data_layer_are_taken_over(folder, capsys):
    data = """layer { name: "data" type: "Data" top: "data" top: "label"
                      transform_param { crop_size: 20 mean_value: 5 mean_value: 6 mean_value: 7
                                        scale: 0.5 mirror: true } }"""
    second = MODEL.index('layer { name: "conv1"')
    (folder / "small.prototxt").write_text(data + MODEL[second:])
    assert surgery("--classes", "5") == 0
    out = capsys.readouterr().out
    assert "from 0 to 255, minus 5, 6, 7, times 0.5 (from small.prototxt)" in out
    assert "--mean 5,6,7 --input-scale 0.5" in (folder / "fcn_small" / "surgery.txt").read_text()
    (image, label) = filter_net(read_net("fcn_small/train_val.prototxt"), pb.TRAIN).layer[:2]
    assert list(image.transform_param.mean_value) == [5, 6, 7]
    assert image.transform_param.scale == 0.5
    # A crop or a mirrored image would come apart from its label.
    assert not image.transform_param.crop_size and not image.transform_param.mirror
    assert not label.HasField("transform_param")


def test_a_scale_without_a_mean_is_taken_over(folder, capsys):
    data = """layer { name: "data" type: "Data" top: "data" top: "label"
                      transform_param { crop_size: 20 scale: 0.5 } }"""
    (folder / "small.prototxt").write_text(data + MODEL[MODEL.index('layer { name: "conv1"') :])
    assert surgery("--classes", "5") == 0
    assert "from 0 to 255, times 0.5 (from small.prototxt)" in capsys.readouterr().out


def test_a_deploy_net_without_data_layers_has_the_mean_of_the_net_beside_it(capsys, tmp_path):
    out = str(tmp_path / "out")
    assert main.main(["net_surgery", "--model", "vgg16", "--classes", "5", "--output", out]) == 0
    text = capsys.readouterr().out
    assert "minus 104.00699, 116.66877, 122.67892 (from train_val.prototxt)" in text
    image = read_net(os.path.join(out, "train_val.prototxt")).layer[0].transform_param
    np.testing.assert_allclose(image.mean_value, [104.00699, 116.66877, 122.67892], rtol=1e-6)


@pytest.mark.parametrize("channels", [3, 1])
def test_a_folder_of_convert_weights_is_a_model_with_its_mean(folder, capsys, channels):
    (folder / "mine").mkdir()
    text = MODEL.replace("dim: 3", f"dim: {channels}")
    (folder / "mine" / "deploy.prototxt").write_text(text)
    (folder / "mine" / "mean.txt").write_text("# blue, green, red\n1 2.5 3\n")
    assert main.main(["net_surgery", "--model", "mine", "--classes", "5"]) == 0
    assert ("minus 1, 2.5, 3 (from mean.txt)" in capsys.readouterr().out) == (channels == 3)
    image = read_net("fcn_mine/train_val.prototxt").layer[0].transform_param
    assert list(image.mean_value) == ([1, 2.5, 3] if channels == 3 else [])


def test_where_nothing_states_a_mean_it_says_so(folder, capsys):
    assert surgery("--classes", "5") == 0
    out = capsys.readouterr().out
    assert "blue, green and red from 0 to 255, unchanged\nnothing states how" in out


@pytest.mark.parametrize("is_there", [True, False])
def test_a_mean_image_counts_with_its_mean_colour(folder, capsys, is_there):
    data = """layer { name: "data" type: "Data" top: "data" top: "label"
                      transform_param { crop_size: 20 mean_file: "elsewhere/m.binaryproto" } }"""
    (folder / "small.prototxt").write_text(data + MODEL[MODEL.index('layer { name: "conv1"') :])
    if is_there:
        write_blob("m.binaryproto", np.float32([[[1, 3]], [[2, 2]], [[0, 9]]])[None])
    assert surgery("--classes", "5") == 0
    out = capsys.readouterr().out
    assert ("minus 2, 2, 4.5" in out) == is_there
    assert ("elsewhere/m.binaryproto, is missing: pass --mean" in out) != is_there


def test_a_grey_classifier_has_a_mean_of_one_value(folder, capsys):
    (folder / "small.prototxt").write_text(MODEL.replace("dim: 3", "dim: 1"))
    assert surgery("--classes", "5", "--mean", "33", "--input-scale", "0.25") == 0
    image = read_net("fcn_small/train_val.prototxt").layer[0].transform_param
    assert (list(image.mean_value), image.scale) == ([33], 0.25)
    assert surgery("--classes", "5", "--mean", "1,2,3", "--output", "other") == 1
    assert "images have 1 channel" in capsys.readouterr().err


def test_dilation_takes_the_weights_along(folder):
    assert (
        surgery("--weights", "small.caffemodel", "--classes", "5", "--stride", "2", "--dilate") == 0
    )
    deploy = read_net("fcn_small/deploy.prototxt")
    fc1 = next(layer for layer in deploy.layer if layer.name == "fc1")
    assert list(fc1.convolution_param.dilation) == [2]
    assert "fc1" in read_caffemodel("fcn_small/fcn_small.caffemodel")


def test_weights_of_another_net_are_named(folder, capsys):
    other = MODEL.replace("num_output: 6", "num_output: 7")
    (folder / "small.prototxt").write_text(other)
    assert surgery("--weights", "small.caffemodel", "--classes", "5") == 1
    error = capsys.readouterr().err
    assert "small.caffemodel does not hold the weights of small.prototxt" in error
    assert "layer conv2: expected (7, 4, 3, 3)" in error
    assert not (folder / "fcn_small").exists()


def test_a_folder_with_something_in_it_stays(folder, capsys):
    (folder / "fcn_small").mkdir()
    (folder / "fcn_small" / "notes").write_text("mine")
    assert surgery("--classes", "5") == 1
    assert "already holds notes" in capsys.readouterr().err
    assert os.listdir("fcn_small") == ["notes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--classes", "1"], "at least two"),
        (["--classes", "5", "--stride", "3"], "have strides 1 (conv1), 2 (pool1), 4 (fc2)"),
        (
            ["--classes", "5", "--keep-scores"],
            "scores 10 classes, expected 5; to keep its scores pass --classes 10",
        ),
        (["--classes", "5", "--target", "fcn_alexnet"], "--classes makes one"),
        (["--stride", "8"], "--stride is for an FCN of a classifier; pass --classes N"),
        (["--classes", "5", "--mean", "1,2"], "images have 3 channels"),
    ],
)
def test_what_does_not_fit_together_is_an_error(folder, capsys, arguments, message):
    assert surgery(*arguments) == 1
    assert message in capsys.readouterr().err
    assert sorted(os.listdir()) == ["small.caffemodel", "small.prototxt"]
