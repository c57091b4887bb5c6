"""Scripts in the manner of SegNet's: statistics of BN over the training set, and Bayesian masks."""

import sys

import numpy as np
import pytest
from PIL import Image

import torchcaffe
from caffeformat import read_caffemodel
from torchcaffe.__main__ import main

TRAIN = """
name: "small" layer {{ name: "data" type: "DenseImageData" top: "data" top: "label"
  dense_image_data_param {{ source: "{source}" batch_size: 2 shuffle: false }}
  include {{ phase: TRAIN }} }}
layer {{ name: "data" type: "DenseImageData" top: "data" top: "label"
  dense_image_data_param {{ source: "{source}" batch_size: 1 }} include {{ phase: TEST }} }}
layer {{ name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param {{
  num_output: 4 pad: 1 kernel_size: 3 weight_filler {{ type: "msra" }} }} }}
layer {{ name: "conv1_bn" type: "BN" bottom: "conv1" top: "conv1" bn_param {{
  scale_filler {{ type: "constant" value: 1 }} shift_filler {{ value: 0.001 }} }} }}
layer {{ name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }}
layer {{ name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" top: "pool1_mask"
  pooling_param {{ pool: MAX kernel_size: 2 stride: 2 }} }}
layer {{ name: "drop1" type: "Dropout" bottom: "pool1" top: "pool1" dropout_param {{
  dropout_ratio: 0.5 {sampled} }} }}
layer {{ name: "upsample1" type: "Upsample" bottom: "pool1" bottom: "pool1_mask" top: "pool1_D"
  upsample_param {{ scale: 2 upsample_w: 10 upsample_h: 7 }} }}
layer {{ name: "score" type: "Convolution" bottom: "pool1_D" top: "score" convolution_param {{
  num_output: 3 kernel_size: 1 weight_filler {{ type: "msra" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss"
  loss_param {{ weight_by_label_freqs: true ignore_label: 255 class_weighting: 0.5
  class_weighting: 1 class_weighting: 2 }} }}
layer {{ name: "accuracy" type: "Accuracy" bottom: "score" bottom: "label" top: "accuracy"
  top: "per_class" accuracy_param {{ ignore_label: 255 }} }}
"""

# Mean and variance of every BN over the images, folded into its scale and shift
STATISTICS = """
import sys
import numpy as np
import caffe
from caffe.proto import caffe_pb2
from google.protobuf import text_format

caffe.set_mode_cpu()
model, weights, passes, out = sys.argv[1:]
message = caffe_pb2.NetParameter()
with open(model) as f:
    text_format.Merge(f.read(), message)
assert message.layer[0].type == "DenseImageData"
assert open(message.layer[0].dense_image_data_param.source).read().split()
message.layer.remove(message.layer[1])
message.layer[0].include.remove(message.layer[0].include[0])
for layer in message.layer:
    if layer.type == "BN" and len(layer.top) == 1:
        layer.top.append(layer.top[0] + "-mean")
        layer.top.append(layer.top[0] + "-var")
with open(out + ".prototxt", "w") as f:
    f.write(text_format.MessageToString(message))
net = caffe.Net(out + ".prototxt", weights, caffe.TEST)
layers = [(l.name, l.top[1], l.top[2]) for l in message.layer if l.type == "BN"]
sums = {}
for _ in range(int(passes)):
    res = net.forward()
    for _, mean, var in layers:
        for blob in (mean, var):
            sums[blob] = sums.get(blob, 0) + np.squeeze(res[blob]) / int(passes)
for name, mean, var in layers:
    scale, shift = (np.squeeze(blob.data) for blob in net.params[name])
    factor = scale / np.sqrt(sums[var] + 1e-9)
    net.params[name][1].data[...] = (shift - factor * sums[mean]).reshape(1, -1, 1, 1)
    net.params[name][0].data[...] = factor.reshape(net.params[name][0].data.shape)
net.save(out + ".caffemodel")

for layer in [l for l in message.layer if l.type.endswith("Data")]:
    message.layer.remove(layer)
message.input.append("data")
message.input_dim.extend([1, 3, 7, 10])
for layer in message.layer:
    if layer.type == "BN":
        for top in layer.top[1:]:
            layer.top.remove(top)
        layer.bn_param.bn_mode = caffe_pb2.BNParameter.INFERENCE
dead = [l for l in message.layer if l.type in ["SoftmaxWithLoss", "Accuracy"]]
score = dead[0].bottom[0]
for layer in dead:
    message.layer.remove(layer)
message.layer.add(name="prob", type="Softmax", bottom=[score], top=["prob"])
with open(out + "_deploy.prototxt", "w") as f:
    f.write(text_format.MessageToString(message))
np.savez(out + ".npz", **sums)
"""

# Masks and their uncertainty from a batch of the same image, each with other values dropped
BAYESIAN = """
import sys
import numpy as np
import caffe

caffe.set_mode_cpu()
model, weights, listed, out = sys.argv[1:]
net = caffe.Net(model, weights, caffe.TEST)
shape = net.blobs["data"].data.shape
with open(listed) as f:
    image_file, _ = f.readline().split()
image = caffe.io.load_image(image_file)
image = caffe.io.resize_image(image, (shape[2], shape[3])) * 255
image = np.asarray([image.transpose((2, 0, 1))[(2, 1, 0), :, :]])
net.forward_all(data=np.repeat(image, shape[0], axis=0))
predicted = net.blobs["prob"].data
np.savez(out, mean=np.mean(predicted, axis=0), variance=np.var(predicted, axis=0))
"""


@pytest.fixture
def images(tmp_path):
    random = np.random.RandomState(4)
    values = random.randint(0, 256, (6, 7, 10, 3)).astype(np.uint8)
    lines = []
    for number, image in enumerate(values):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
        Image.fromarray(image[..., 0] % 3).save(tmp_path / f"{number}_label.png")
        lines.append(f"{tmp_path}/{number}.png {tmp_path}/{number}_label.png")
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n")
    return values


def _trained(folder, sampled=""):
    """A net and weights after some steps of training."""
    text = TRAIN.format(source=folder / "list.txt", sampled=sampled)
    (folder / "train.prototxt").write_text(text)
    (folder / "solver.prototxt").write_text(
        f'net: "{folder}/train.prototxt" base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 '
        f'snapshot_prefix: "{folder}/trained" test_iter: 6 test_interval: 10'
    )
    torchcaffe.set_random_seed(1)
    solver = torchcaffe.get_solver(str(folder / "solver.prototxt"))
    solver.step(5)
    solver.net.save(str(folder / "trained.caffemodel"))
    return folder / "train.prototxt", folder / "trained.caffemodel"


@pytest.fixture(autouse=True)
def own_interpreter(monkeypatch):
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "caffe", torchcaffe)


def _run(folder, script, *arguments):
    (folder / "script.py").write_text(script)
    assert main([str(folder / "script.py"), *map(str, arguments)]) == 0


def test_statistics_of_bn_are_computed_and_folded(images, tmp_path):
    train, weights = _trained(tmp_path)
    _run(tmp_path, STATISTICS, train, weights, 3, tmp_path / "out")
    (kernel, bias), trained = read_caffemodel(weights)["conv1"], read_caffemodel(weights)
    # The convolution by hand, on each batch of two
    padded = np.pad(images[..., ::-1].astype(float), [(0, 0), (1, 1), (1, 1), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    values = np.einsum("nhwcij,ocij->nhwo", windows, kernel) + bias
    batches = values.reshape(3, -1, 4)
    mean, variance = batches.mean(1).mean(0), batches.var(1).mean(0)
    with np.load(tmp_path / "out.npz") as found:
        np.testing.assert_allclose(found["conv1-mean"], mean, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(found["conv1-var"], variance, rtol=1e-4)
    scale, shift = read_caffemodel(tmp_path / "out.caffemodel")["conv1_bn"]
    factor = trained["conv1_bn"][0].ravel() / np.sqrt(variance)
    np.testing.assert_allclose(scale.ravel(), factor, rtol=1e-4)
    np.testing.assert_allclose(
        shift.ravel(), trained["conv1_bn"][1].ravel() - factor * mean, rtol=1e-3, atol=1e-4
    )
    net = torchcaffe.Net(
        str(tmp_path / "out_deploy.prototxt"), str(tmp_path / "out.caffemodel"), torchcaffe.TEST
    )
    assert net.forward()["prob"].shape == (1, 3, 7, 10)


def test_bayesian_masks_vary(images, tmp_path):
    train, weights = _trained(tmp_path, "sample_weights_test: true")
    text = train.read_text()
    body = text[text.index('layer { name: "conv1" ') : text.index('layer { name: "loss"')]
    body = body.replace("bn_param {", "bn_param { bn_mode: INFERENCE")
    (tmp_path / "deploy.prototxt").write_text(
        'input: "data" input_dim: 40 input_dim: 3 input_dim: 7 input_dim: 10 '
        f'{body} layer {{ name: "prob" type: "Softmax" bottom: "score" top: "prob" }}'
    )
    _run(tmp_path, BAYESIAN, tmp_path / "deploy.prototxt", weights, tmp_path / "list.txt",
         tmp_path / "out.npz")  # fmt: skip
    with np.load(tmp_path / "out.npz") as found:
        np.testing.assert_allclose(found["mean"].sum(0), 1, rtol=1e-5)
        assert (found["variance"] > 0).mean() > 0.2
