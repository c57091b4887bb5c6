"""ONNX models compute what the net does, at any size, and give its weights back."""

import golden_cases
import numpy as np
import pytest

from caffeformat import InputError, Weights, parse_text, pb, read_net
from caffeformat.exchange import from_tensors, value_graph
from fcnkit.images import Preprocessor
from fcnkit.nets import net_parameters
from fcnkit.runtimes.onnx_guard import Model
from fcnkit.runtimes.onnx_net import read_initializers, takes_shapes, to_onnx, write_onnx
from fcnkit.zoo import networks, path

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

REFUSED = {"argmax_0", "argmax_2", "pooling_2"}

# Rounding up, padded and not, a crop and an interpolation: what depends on the image's size.
NET = """
name: "small" layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 20 dim: 20 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 4 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "mean" type: "Pooling" bottom: "pool" top: "mean"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "up" type: "Deconvolution" bottom: "mean" top: "up"
  convolution_param { num_output: 4 group: 4 kernel_size: 8 stride: 4 bias_term: false } }
layer { name: "score" type: "Crop" bottom: "up" bottom: "data" top: "score"
  crop_param { axis: 2 offset: 1 } }
"""


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def random_weights(net):
    random = np.random.RandomState(0)
    return {
        layer.name: [random.standard_normal(p.shape).astype(np.float32) for p in parameters]
        for layer, parameters in net_parameters(net)
    }


@pytest.fixture
def small():
    net = parse_text(NET, pb.NetParameter)
    return net, random_weights(net)


@pytest.mark.parametrize("case", golden_cases.deployable_cases(), ids=lambda case: case.name)
def test_single_layers_compute_what_caffe_did(case):
    if case.name in REFUSED:
        with pytest.raises(InputError, match='layer "it"'):
            to_onnx(case.net, case.weights)
        return
    run = session(to_onnx(case.net, case.weights, list(case.outputs)))
    inputs = {value.name: case.inputs[value.name] for value in run.get_inputs()}
    for name, made in zip(case.outputs, run.run(list(case.outputs), inputs)):
        expected = case.outputs[name]
        assert made.shape == expected.shape
        bound = 1e-5 + 1e-4 * np.abs(expected).max(initial=0)
        np.testing.assert_allclose(made, expected, rtol=0, atol=bound)


def scores_of_engine(net, weights, images, blob="score"):
    torchcaffe = pytest.importorskip("torchcaffe")
    engine_net = torchcaffe.Net(net_param=net, phase=torchcaffe.TEST, weights=Weights(weights))
    for name, image in images.items():
        engine_net.blobs[name].reshape(*image.shape)
        engine_net.blobs[name].data[...] = image
    return engine_net.forward(blobs=[blob])[blob]


def close(made, expected):
    assert made.shape == expected.shape
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("size", [(20, 20), (21, 30), (33, 18), (24, 23)])
def test_any_batch_and_size_is_cropped_and_rounded_as_in_caffe(small, size):
    net, weights = small
    run = session(to_onnx(net, weights))
    assert run.get_inputs()[0].shape == ["batch", 3, "height", "width"]
    images = {"data": np.random.RandomState(1).standard_normal((2, 3, *size)).astype(np.float32)}
    close(run.run(["score"], images)[0], scores_of_engine(net, weights, images))


def test_preprocessing_and_class_map_are_inside_where_wanted(small):
    net, weights = small
    preprocessor = Preprocessor([104, 117, 123], 0.017)
    image = np.random.RandomState(2).randint(0, 256, (25, 31, 3)).astype(np.uint8)
    expected = scores_of_engine(net, weights, {"data": preprocessor(image)})
    model = to_onnx(net, weights, preprocessor=preprocessor)
    close(session(model).run(["score"], {"image": image})[0], expected)
    model = to_onnx(net, weights, preprocessor=preprocessor, argmax=True)
    (classes,) = session(model).run(["class_map"], {"image": image})
    assert classes.dtype == np.uint8
    np.testing.assert_array_equal(classes, expected[0].argmax(0))


def test_a_matrix_ties_the_model_to_its_image_size(small):
    net, _ = small
    net.layer.add(name="fc", type="InnerProduct", bottom=["score"], top=["fc"])
    net.layer[-1].inner_product_param.num_output = 2
    model = to_onnx(net, random_weights(net))
    assert session(model).get_inputs()[0].shape == ["batch", 3, 20, 20]


def test_initializers_give_the_weights_back(small, tmp_path):
    net, weights = small
    write_onnx(tmp_path / "net.onnx", to_onnx(net, weights))
    back = from_tensors(value_graph(net), read_initializers(tmp_path / "net.onnx"))
    assert list(back) == list(weights)
    for name, blobs in weights.items():
        for ours, blob in zip(back[name], blobs):
            np.testing.assert_array_equal(ours, blob)


def test_other_files_are_no_onnx(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"name: 'not one'")
    with pytest.raises(InputError, match=r"net\.onnx"):
        read_initializers(tmp_path / "net.onnx")


def test_weights_of_another_net_are_refused(small):
    net, weights = small
    del weights["conv"]
    with pytest.raises(InputError, match=r'layer "conv".*2 blob'):
        to_onnx(net, weights)


@pytest.mark.slow
@pytest.mark.parametrize("name", networks())
def test_public_networks_agree(name):
    """At a small size of odd numbers where the network takes any, else at its own."""
    net = read_net(path(name, "deploy.prototxt"))
    weights = random_weights(net)
    for layer in net.layer:
        for blob in weights.get(layer.name, ()):
            if layer.type == "BatchNorm":
                blob[...] = 0.5 + np.abs(blob)  # variances near 0 would blow rounding up
            elif blob.ndim > 1:
                blob *= np.sqrt(2 / np.prod(blob.shape[1:]))
    run = session(to_onnx(net, weights))
    own = {value.name: value.shape for value in run.get_inputs()}
    fitting = [
        {blob: (1, own[blob][1], *size) for blob in own}
        for size in ((131, 97), (128, 96))
        if takes_shapes(net, {blob: (1, own[blob][1], *size) for blob in own})
    ]
    shapes = fitting[0] if fitting else {blob: (1, *own[blob][1:]) for blob in own}
    random = np.random.RandomState(1)
    images = {blob: random.standard_normal(shapes[blob]).astype(np.float32) for blob in own}
    output = run.get_outputs()[0].name
    close(run.run([output], images)[0], scores_of_engine(net, weights, images, output))


def test_values_beside_the_model_are_read_from_its_folder(tmp_path, monkeypatch):
    """And not from a file of the same name in the folder where the command runs."""
    onnx = pytest.importorskip("onnx")
    helper, values = onnx.helper, np.arange(6, dtype=np.float32)
    tensor = onnx.numpy_helper.from_array(values, "a")
    node = helper.make_node("Identity", ["a"], ["b"])
    result = helper.make_tensor_value_info("b", 1, [6])
    graph = helper.make_graph([node], "g", [], [result], [tensor])
    (tmp_path / "model").mkdir()
    place = tmp_path / "model" / "m.onnx"
    save = {"save_as_external_data": True, "location": "w.bin", "size_threshold": 0}
    onnx.save_model(helper.make_model(graph), place, **save)
    (tmp_path / "w.bin").write_bytes(bytes(24))
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(read_initializers("model/m.onnx")["a"], values)
    whole = place.read_bytes()
    for location in ("../w.bin", "/etc/passwd", "x.bin", "w.b\0n"):
        model = onnx.load_model_from_string(whole)
        model.graph.initializer[0].external_data[0].value = location
        place.write_bytes(model.SerializeToString())
        for read in (read_initializers, Model):
            with pytest.raises(InputError, match=r"m\.onnx: the values of 'a' lie in"):
                read("model/m.onnx")
