"""Whole networks of forks in ONNX: as the engine in two runtimes, weights back bit for bit."""

import numpy as np
import pytest

from caffeformat import InputError
from fcnkit import export

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("torch")
import fork_networks  # noqa: E402  (needs PyTorch)

import torchcaffe  # noqa: E402

BOUND = 1e-4  # of the largest value
NETS = {"segnet": lambda: fork_networks.segnet(width=4), "ssd": fork_networks.ssd_head}
SLOW = {"pspnet": fork_networks.pspnet, "pspnet of the fork": fork_networks.pspnet_of_the_fork}
SEGNETS = {
    "narrow": lambda: fork_networks.segnet(width=4),
    "narrow, by its batch": lambda: fork_networks.segnet(width=4, mode="LEARN"),
    "as published": fork_networks.segnet,
}


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
    return {name: found[output] for output in compiled.outputs for name in output.get_names()}


def exported(net, weights, path, outputs=None):
    """Export to `path`; the weights come back as they were."""
    export.write_parameters(path, net, weights, outputs)
    back = export.read_parameters(path, net, outputs)
    assert export.parameter_difference(net, weights, back, outputs) is None


def opened(net, weights):
    return torchcaffe.Net(net_param=net, phase=torchcaffe.TEST, weights=weights)


def image_for(net):
    shape = net.blobs["data"].data.shape
    return {"data": np.random.RandomState(2).standard_normal(shape).astype(np.float32) * 50}


def assert_close(found, wanted, what):
    assert found.shape == wanted.shape
    largest = np.abs(wanted).max()
    assert largest > 0 and np.isfinite(largest)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=BOUND * largest, err_msg=what)


def check(net, runtime, tmp_path):
    weights, path = fork_networks.random_weights(net), tmp_path / "net.onnx"
    exported(net, weights, path)
    engine = opened(net, weights)
    images = image_for(engine)
    wanted = {blob: array.copy() for blob, array in engine.forward(**images).items()}
    found = runtime(path, images)
    assert set(wanted) <= set(found)
    for blob, array in wanted.items():
        assert_close(found[blob], array, blob)


def check_segnet(net, runtime, tmp_path):
    """Each half by itself: a mask may differ where two values of a window are as good as equal.

    What the decoder then puts beside the place is no matter of rounding, so it gets equal masks.
    """
    weights, path = fork_networks.random_weights(net), tmp_path / "net.onnx"
    exported(net, weights, path)
    pools = [f"pool{stage}" for stage in range(1, 6)]
    masks = [f"{pool}_mask" for pool in pools]
    export.write_parameters(path, net, weights, [*pools, *masks])
    engine = opened(net, weights)
    images = image_for(engine)
    engine.forward(**images)
    blobs = {name: blob.data.copy() for name, blob in engine.blobs.items()}
    found = runtime(path, images)
    for pool, mask in zip(pools, masks):
        assert_close(found[pool], blobs[pool], pool)
        differ = np.argwhere(found[mask] != blobs[mask])
        assert len(differ) <= 1e-4 * blobs[mask].size, mask
        below = blobs[engine.bottom_names[pool][0]]
        for n, c, row, column in differ:
            values = below[n, c].ravel()[
                [int(m[n, c, row, column]) for m in (found[mask], blobs[mask])]
            ]
            assert np.abs(np.diff(values)) <= BOUND * np.abs(below).max(), mask
    decoder = fork_networks.segnet_decoder(
        net, {name: array.shape for name, array in blobs.items()}
    )
    exported(decoder, weights, path)
    given = {name: blobs[name] for name in ("pool5", *masks)}
    assert_close(runtime(path, given)["prob"], blobs["prob"], "prob")


@pytest.mark.slow
@pytest.mark.parametrize("runtime", [in_onnxruntime, in_openvino])
@pytest.mark.parametrize("name", NETS)
def test_networks_of_forks_compute_the_same(name, runtime, tmp_path):
    check(NETS[name](), runtime, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", [in_onnxruntime, in_openvino])
@pytest.mark.parametrize("name", SLOW)
def test_networks_of_forks_at_full_size_compute_the_same(name, runtime, tmp_path):
    check(SLOW[name](), runtime, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", [in_onnxruntime, in_openvino])
@pytest.mark.parametrize("name", SEGNETS)
def test_both_halves_of_a_segnet_compute_the_same(name, runtime, tmp_path):
    check_segnet(SEGNETS[name](), runtime, tmp_path)


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
