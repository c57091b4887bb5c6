"""DIGITS' FCN-AlexNet: the file for all stages, its surgery and its first steps on both engines."""

import numpy as np
import pytest

from caffeformat import (
    LmdbWriter,
    Weights,
    array_to_datum,
    filter_net,
    pb,
    read_net,
    write_caffemodel,
    write_text,
)
from fcnkit import zoo
from fcnkit.commands import main, net_surgery
from fcnkit.nets import fill, net_parameters

pytest.importorskip("torch")
pytestmark = pytest.mark.bvlc
STEPS = 4


def random_alexnet():
    """Weights of BVLC's AlexNet, drawn by He's rule so that the scores are alive."""
    random = np.random.RandomState(1)
    rule = pb.FillerParameter(type="msra")
    net = filter_net(read_net(zoo.path("bvlc_alexnet", "deploy.prototxt")), pb.TEST)
    return Weights(
        {
            layer.name: [
                fill(rule, blob.shape, random) if len(blob.shape) > 1 else np.zeros(blob.shape, "f")
                for blob in blobs
            ]
            for layer, blobs in net_parameters(net)
        }
    )


def write_databases(folder):
    """Two image and label pairs of 3 x 70 x 90 as LMDBs."""
    random = np.random.RandomState(2)
    for name, channels, values in (("features", 3, 256), ("labels", 1, 21)):
        with LmdbWriter(folder / name) as writer:
            for index in range(2):
                array = random.randint(0, values, (channels, 70, 90)).astype(np.uint8)
                writer.put(b"%08d" % index, array_to_datum(array, 0).SerializeToString())


def all_stages_net(folder):
    """The published file with databases named and without dropping, which is random per engine."""
    net = read_net(zoo.path("fcn_alexnet", "fcn_alexnet.prototxt"))
    for layer in net.layer:
        if layer.type == "Data":
            layer.data_param.source = str(
                folder / ("labels" if "label" in layer.top else "features")
            )
        if layer.type == "Dropout":
            layer.dropout_param.dropout_ratio = 0
    return net


def test_first_steps_after_surgery_have_the_same_losses(train_on, tmp_path, monkeypatch):
    write_caffemodel(tmp_path / "alexnet.caffemodel", random_alexnet())
    monkeypatch.chdir(tmp_path)
    arguments = ["--weights", "alexnet.caffemodel", "--output", "fcn.caffemodel"]
    assert main.run_module(net_surgery, arguments) == 0

    write_databases(tmp_path)
    write_text(tmp_path / "net.prototxt", all_stages_net(tmp_path))
    solver = pb.SolverParameter(
        net="net.prototxt",
        train_state=pb.NetState(stage=["train"]),
        base_lr=1e-3,
        lr_policy="fixed",
        momentum=0.9,
        weight_decay=1e-6,
        snapshot_prefix="snap",
        solver_mode=pb.SolverParameter.CPU,
    )
    write_text(tmp_path / "solver.prototxt", solver)
    losses = {
        engine: train_on(engine, tmp_path, "solver.prototxt", STEPS, "--weights", "fcn.caffemodel")
        for engine in ("bvlc", "torch")
    }
    # All scores are zero at first. BVLC Caffe adds the pixels' losses up one by one in float32.
    assert losses["bvlc"][0] == pytest.approx(np.log(21), rel=1e-3)
    assert len(set(losses["bvlc"])) == STEPS  # and then they are not
    np.testing.assert_allclose(losses["torch"], losses["bvlc"], rtol=3e-4)
