"""The loss layers train on both engines alike."""

import json

import numpy as np
import pytest
from tiny_segmentation import write_dataset

from caffeformat import pb, write_text
from fcnkit import losses

pytest.importorskip("torch")
pytestmark = pytest.mark.bvlc


@pytest.mark.parametrize("name", losses.LOSSES)
def test_both_engines_take_the_same_steps(train_on, tmp_path, name):
    data = write_dataset(tmp_path / "data")
    net = pb.NetParameter(name="steps")
    layer = net.layer.add(name="data", type="Python", top=["data", "label"])
    layer.python_param.module, layer.python_param.layer = "fcnkit.data_layers", "SegmentationData"
    layer.python_param.param_str = json.dumps({"source": str(data), "batch_size": 2, "crop": 16})
    layer = net.layer.add(name="score", type="Convolution", bottom=["data"], top=["score"])
    layer.convolution_param.num_output = 3
    layer.convolution_param.kernel_size.append(1)
    layer = net.layer.add(name="loss", type="Python", bottom=["score", "label"], top=["loss"])
    layer.loss_weight.append(1)
    layer.python_param.module, layer.python_param.layer = losses.MODULE, losses.LOSSES[name].layer
    layer.python_param.param_str = json.dumps({"ignore_label": 255, "softmax": 0.1})
    write_text(tmp_path / "net.prototxt", net)
    solver = 'net: "net.prototxt" base_lr: 0.0001 lr_policy: "fixed" momentum: 0.9 display: 0'
    (tmp_path / "solver.prototxt").write_text(solver)
    theirs = train_on("bvlc", tmp_path, "solver.prototxt", 6)
    ours = train_on("torch", tmp_path, "solver.prototxt", 6)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert len(ours) == 6 and ours[-1] < ours[0]
