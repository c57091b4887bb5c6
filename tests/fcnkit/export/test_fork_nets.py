"""Whole networks of forks in ONNX: as the engine in two runtimes, weights back bit for bit."""

import fork_networks
import numpy as np
import pytest

import torchcaffe
from caffeformat import InputError
from fcnkit import export

onnxruntime = pytest.importorskip("onnxruntime")

BOUND = 1e-4  # of the largest value
NETS = {
    "segnet": lambda: fork_networks.segnet(width=4),
    "segnet that uses its batch": lambda: fork_networks.segnet(width=4, mode="LEARN"),
    "ssd": fork_networks.ssd_head,
}
SLOW = {"segnet in full": fork_networks.segnet, "pspnet": fork_networks.pspnet}


def in_onnxruntime(path, images):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, images)))


def in_openvino(path, images):
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    core = openvino.Core()
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(core.read_model(str(path)), "CPU", exact)
    found = compiled(images)
    return {output.get_any_name(): found[output] for output in compiled.outputs}


def check(name, runtime, tmp_path):
    net = {**NETS, **SLOW}[name]()
    weights, path = fork_networks.random_weights(net), tmp_path / "net.onnx"
    export.write_parameters(path, net, weights)
    back = export.read_parameters(path, net)
    assert export.parameter_difference(net, weights, back) is None
    engine = torchcaffe.Net(net_param=net, phase=torchcaffe.TEST, weights=weights)
    shape = engine.blobs["data"].data.shape
    images = {"data": np.random.RandomState(2).standard_normal(shape).astype(np.float32) * 50}
    wanted = {blob: array.copy() for blob, array in engine.forward(**images).items()}
    found = runtime(path, images)
    assert set(found) == set(wanted)
    for blob, array in wanted.items():
        assert found[blob].shape == array.shape
        largest = np.abs(array).max()
        assert largest > 0 and np.isfinite(largest)
        np.testing.assert_allclose(found[blob], array, rtol=0, atol=BOUND * largest, err_msg=blob)


@pytest.mark.parametrize("runtime", [in_onnxruntime, in_openvino])
@pytest.mark.parametrize("name", NETS)
def test_networks_of_forks_compute_the_same(name, runtime, tmp_path):
    check(name, runtime, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", [in_onnxruntime, in_openvino])
@pytest.mark.parametrize("name", SLOW)
def test_networks_of_forks_at_full_size_compute_the_same(name, runtime, tmp_path):
    check(name, runtime, tmp_path)


def test_prior_boxes_are_refused_and_what_does_not_need_them_is_exported(tmp_path):
    net, path = fork_networks.ssd_head(prior_boxes=True), tmp_path / "net.onnx"
    weights = fork_networks.random_weights(fork_networks.ssd_head())
    with pytest.raises(InputError, match=r'"conv4_3_norm_priors" \(PriorBox\)'):
        export.write_parameters(path, net, weights)
    assert not path.exists()
    outputs = ["mbox_loc", "mbox_conf_flatten"]
    export.write_parameters(path, net, weights, outputs)
    plain = tmp_path / "plain.onnx"
    export.write_parameters(plain, fork_networks.ssd_head(), weights)
    image = {"data": np.random.RandomState(1).standard_normal((1, 3, 37, 45)).astype(np.float32)}
    found, wanted = in_onnxruntime(path, image), in_onnxruntime(plain, image)
    for name in outputs:
        np.testing.assert_array_equal(found[name], wanted[name])
