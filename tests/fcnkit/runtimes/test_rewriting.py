"""Rewritten graphs compute the same numbers: random nets with frames, upsampling of all kinds."""

import numpy as np
import pytest

from caffeformat import Weights, parse_text, pb, write_caffemodel
from fcnkit.inference import Segmenter
from fcnkit.nets import interpolation_weights
from fcnkit.runtimes import passes, to_onnx
from fcnkit.runtimes.onnx_writer import Writer
from fcnkit.runtimes.packing import PackingWriter
from fcnkit.runtimes.rewriting import RewritingWriter, narrowing

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

INPUT = (
    'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1,2,500,500] } } }'
)


class Counts:
    """Remembers how many pixels of frame the first layer left out."""

    def finish(self):
        before = sum(map(sum, map(pads, self.nodes)))
        super().finish()
        self.left_out = before - sum(map(sum, map(pads, self.nodes)))


class Kept(Counts, RewritingWriter):
    pass


class Packed(Counts, PackingWriter):
    pass


def pads(node):
    return next((each.ints for each in node.attribute if each.name == "pads"), ())


def session(net, weights, writer):
    model = to_onnx(net, weights, writer=writer)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    made = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda data: made.run(None, {"data": data})


def both(text, weights):
    """The net as it stands and rewritten, two functions of an input, and the writer of the second.

    `weights` are blobs or functions of a source of random numbers.
    """
    net = parse_text(text, pb.NetParameter)
    writer = Kept()
    return session(net, weights, Writer()), session(net, weights, writer), writer


def differences(plain, rewritten, *inputs):
    """For each of `inputs` how far the outputs are apart; both must refuse the same ones."""
    found = []
    for data in inputs:
        try:
            expected = plain(data)
        except Exception:  # ONNX Runtime's own: too small for the net
            with pytest.raises(Exception, match="ONNXRuntimeError"):
                rewritten(data)
            continue
        made = rewritten(data)
        assert [each.shape for each in made] == [each.shape for each in expected]
        for one, other in zip(made, expected):
            if one.size:  # a crop may leave nothing
                found.append(np.abs(one - other).max() / max(np.abs(other).max(), 1e-30))
    assert found
    return found


class Net:
    """Writes a random net of `seed`: a padded convolution, and layers behind it."""

    def __init__(self, seed):
        self.random = np.random.RandomState(seed)
        self.text, self.blobs, self.count = INPUT, {}, 0
        self.joined = []

    def pick(self, *values):
        return values[self.random.randint(len(values))]

    def values(self, *shape):
        return (self.random.standard_normal(shape) / 2).astype(np.float32)

    def layer(self, kind, bottoms, rest="", *blobs):
        self.count += 1
        name = f"{kind.lower()}{self.count}"
        sources = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
        self.text += f'\nlayer {{ name: "{name}" type: "{kind}" {sources} top: "{name}" {rest} }}'
        if blobs:
            self.blobs[name] = list(blobs)
        return name

    def convolution(self, bottom, inputs, kernel, stride=1, pad=0, dilation=1, outputs=3):
        rest = (
            f"convolution_param {{ num_output: {outputs} kernel_size: {kernel} "
            f"stride: {stride} pad: {pad} dilation: {dilation} }}"
        )
        blobs = self.values(outputs, inputs, kernel, kernel), self.values(outputs)
        return self.layer("Convolution", [bottom], rest, *blobs)

    def step(self, x):
        """A random layer behind `x`, which has three channels."""
        kind = self.random.randint(11)
        if kind < 4:
            dilation = self.pick(1, 1, 2)
            kernel = self.pick(1, 3, 3, 5)
            return self.convolution(x, 3, kernel, 1, self.pick(0, 1, kernel // 2), dilation)
        if kind < 7:
            kernel, stride = self.pick((2, 2), (3, 2), (3, 1), (3, 3))
            rest = f"pool: {self.pick('MAX', 'MAX', 'AVE')} pad: {self.pick(0, 0, 1)}"
            rest += f" round_mode: {self.pick('CEIL', 'CEIL', 'FLOOR')}"
            return self.layer(
                "Pooling", [x], f"pooling_param {{ {rest} kernel_size: {kernel} stride: {stride} }}"
            )
        if kind == 7:
            return self.layer(self.pick("ReLU", "Sigmoid", "TanH", "AbsVal", "ELU"), [x])
        if kind == 8:
            if self.pick(True, False):
                return self.layer("PReLU", [x], "", self.values(3))
            bias = "scale_param { bias_term: true }"
            return self.layer("Scale", [x], bias, self.values(3), self.values(3))
        if kind == 9:
            return self.layer("LRN", [x], "lrn_param { local_size: 3 alpha: 0.5 }")
        self.joined += [x]
        pad = self.pick(0, 1)
        sides = [self.convolution(x, 3, 1 + 2 * pad, 1, pad) for _ in range(2)]
        if self.pick(True, False):
            return self.layer("Eltwise", sides, "eltwise_param { operation: MAX }")
        return self.convolution(self.layer("Concat", sides), 6, 1)


@pytest.mark.quick_cases(12)
@pytest.mark.parametrize("seed", range(60))
def test_frames_of_random_nets_are_filled_in(seed, monkeypatch):
    monkeypatch.setattr(narrowing, "_COPY", 0.1)  # wherever it is possible
    net = Net(seed)
    kernel, stride = net.pick((3, 1), (3, 1), (7, 2), (11, 4), (5, 3))
    x = net.convolution("data", 2, kernel, stride, int(net.random.randint(20, 110)))
    for _ in range(net.random.randint(2, 9)):
        x = net.step(x)
    plain, rewritten, writer = both(net.text, Weights(net.blobs))
    sizes = [(1, 1), (2, 9), (150, 200), *net.random.randint(1, 70, (4, 2))]
    inputs = [net.values(1, 2, *size) * 9 for size in sizes]
    assert max(differences(plain, rewritten, *inputs)) < 4e-7
    assert writer.left_out


@pytest.mark.parametrize("region", ["ACROSS_CHANNELS", "WITHIN_CHANNEL"])
@pytest.mark.parametrize("kind", ["Eltwise", "Concat"])
def test_frames_of_branches_with_differing_rims_are_filled_in(kind, region, monkeypatch):
    monkeypatch.setattr(narrowing, "_COPY", 0.1)
    net = Net(3)
    x = net.convolution("data", 2, 3, 1, 40)
    x = net.layer("LRN", [x], f"lrn_param {{ local_size: 5 alpha: 9 norm_region: {region} }}")
    net.layer(kind, [net.convolution(x, 3, 7, 1, 3), x])
    plain, rewritten, writer = both(net.text, Weights(net.blobs))
    inputs = [net.values(1, 2, *size) for size in ((1, 1), (20, 31))]
    assert max(differences(plain, rewritten, *inputs)) < 4e-7
    assert writer.left_out


DIAGONAL = interpolation_weights((3, 3, 16, 16))
OBLONG = np.einsum("k,l,cd->cdkl", [1, 2, 5.5, 3, 1, 0, 2, 7, 4], np.arange(8, 20), np.eye(3))
UNLIKE = DIAGONAL * np.arange(1, 4)[:, None, None, None]
MIXED = DIAGONAL + 1e-3 * np.eye(3)[::-1, :, None, None]
SKEW = np.random.RandomState(1).rand(3, 1, 16, 16)


def test_a_frame_that_only_the_output_takes_stays_whole():
    """There is no place where its rows could be repeated."""
    text = (
        INPUT
        + """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
      convolution_param { num_output: 3 kernel_size: 3 pad: 20 } }"""
    )
    weights = {"conv": [np.ones((3, 2, 3, 3), np.float32), np.ones(3, np.float32)]}
    plain, rewritten, writer = both(text, weights)
    data = np.random.RandomState(1).randn(1, 2, 9, 14).astype(np.float32)
    assert differences(plain, rewritten, data) == [0] and writer.left_out == 0


@pytest.mark.parametrize(
    ("weights", "param", "offset", "operators"),
    [
        (DIAGONAL, "stride: 8", [31], ["MatMul", "MatMul"]),
        (DIAGONAL, "stride: 8", None, ["MatMul", "MatMul"]),
        (DIAGONAL, "stride: 8 pad: 4", [0, 60], ["MatMul", "MatMul"]),
        (DIAGONAL, "stride: 8 bias_term: true", [3, 31], ["MatMul", "MatMul"]),
        (DIAGONAL[:1, :1], "stride: 8", [31], ["MatMul", "MatMul"]),
        (interpolation_weights((3, 1, 31, 31)), "stride: 16 group: 3", [18], ["MatMul", "MatMul"]),
        (OBLONG, "stride_h: 8 stride_w: 10 pad_h: 1 pad_w: 5", [3, 0], ["MatMul", "MatMul"]),
        (OBLONG, "stride_h: 20 stride_w: 10", None, ["MatMul", "MatMul"]),
        (OBLONG, "stride_h: 8 stride_w: 2", [3, 0], ["ConvTranspose by 3", "Slice"]),
        (DIAGONAL, "stride: 2", [3], ["ConvTranspose by 3", "Slice"]),
        (UNLIKE, "stride: 8", [31], ["ConvTranspose by 3", "Slice"]),
        (SKEW, "stride: 8 group: 3", [31], ["ConvTranspose by 3", "Slice"]),
        (MIXED, "stride: 8", [31], ["ConvTranspose by 1", "Slice"]),
        (0 * DIAGONAL, "stride: 8", [31], ["ConvTranspose by 3", "Slice"]),
        (DIAGONAL, "stride: 8 dilation: 2", None, ["ConvTranspose by 1"]),
    ],
)
def test_classes_are_enlarged_by_themselves(weights, param, offset, operators):
    classes, (height, width) = len(weights), weights.shape[2:]
    if "bias" not in param:
        param += " bias_term: false"
    text = (
        'layer { name: "data" type: "Input" top: "data" '
        f"input_param {{ shape {{ dim: [1, {classes}, 40, 40] }} }} }}"
        'layer { name: "up" type: "Deconvolution" bottom: "data" top: "up" convolution_param { '
        f"num_output: {classes} kernel_h: {height} kernel_w: {width} {param} }} }}"
    )
    if offset:
        offsets = " ".join(f"offset: {each}" for each in offset)
        text += (
            'layer { name: "like" type: "Pooling" bottom: "data" top: "like" '
            "pooling_param { kernel_size: 30 pad: 29 stride: 1 } }"
            'layer { name: "score" type: "Crop" bottom: "up" bottom: "like" top: "score" '
            f"crop_param {{ axis: 2 {offsets} }} }}"
        )
    random = np.random.RandomState(0)
    blobs = [weights.astype(np.float32), random.rand(classes).astype(np.float32)]
    plain, rewritten, writer = both(text, Weights({"up": blobs[: 1 + ("true" in param)]}))
    sizes = [(1, 1), (1, 5), (9, 9), (4, 13), (17, 6)]  # some smaller than the crop
    inputs = [random.standard_normal((2, classes, *size)).astype(np.float32) for size in sizes]
    assert max(differences(plain, rewritten, *inputs)) < 1e-6
    found = [describe(node) for node in writer.nodes]
    assert [each for each in found if each.split()[0] in KINDS] == operators


KINDS = ("MatMul", "ConvTranspose", "Slice")


def describe(node):
    groups = [each.i for each in node.attribute if each.name == "group"]
    return " by ".join([node.op_type, *map(str, groups)])


def test_what_another_layer_reads_is_enlarged_whole():
    text = (
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1,3,9,9] } } }'
        'layer { name: "up" type: "Deconvolution" bottom: "data" top: "up" convolution_param { '
        "num_output: 3 kernel_size: 16 stride: 8 bias_term: false } }"
        'layer { name: "relu" type: "ReLU" bottom: "up" top: "relu" }'
        'layer { name: "score" type: "Crop" bottom: "up" bottom: "data" top: "score" '
        "crop_param { axis: 2 offset: 31 } }"
    )
    plain, rewritten, writer = both(text, Weights({"up": [DIAGONAL]}))
    data = np.random.RandomState(0).standard_normal((1, 3, 9, 12)).astype(np.float32)
    assert max(differences(plain, rewritten, data)) < 1e-6
    assert "Slice" in [node.op_type for node in writer.nodes]


def test_infer_has_the_engines_scores(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(narrowing, "_COPY", 0.1)
    monkeypatch.setattr(passes, "PackingWriter", lambda path: made.append(Packed(path)) or made[0])
    made, net = [], Net(0)
    net.text = net.text.replace("[1,2,500,500]", "[1,3,500,500]")
    x = net.layer("ReLU", [net.convolution("data", 3, 3, 1, 100)])
    for _ in range(3):
        x = net.layer("ReLU", [net.convolution(x, 3, 3, 1, 1)])
        x = net.layer("Pooling", [x], "pooling_param { kernel_size: 2 stride: 2 }")
    fine = net.convolution(x, 3, 1)
    x = net.layer("Pooling", [x], "pooling_param { kernel_size: 2 stride: 2 }")
    x = net.convolution(x, 3, 7)
    interpolated = "num_output: 3 bias_term: false kernel_size: {} stride: {}"
    x = net.layer("Deconvolution", [x], f"convolution_param {{ {interpolated.format(4, 2)} }}",
                  interpolation_weights((3, 3, 4, 4)))  # fmt: skip
    x = net.layer("Eltwise", [net.layer("Crop", [fine, x], "crop_param { axis: 2 offset: 5 }"), x])
    x = net.layer("Deconvolution", [x], f"convolution_param {{ {interpolated.format(16, 8)} }}",
                  DIAGONAL)  # fmt: skip
    net.layer("Crop", [x, "data"], "crop_param { axis: 2 offset: 31 }")
    (tmp_path / "net.prototxt").write_text(net.text)
    weights = tmp_path / "w.caffemodel"
    write_caffemodel(weights, Weights(net.blobs), parse_text(net.text, pb.NetParameter))
    fast = Segmenter(tmp_path / "net.prototxt", weights)
    plain = Segmenter(tmp_path / "net.prototxt", weights, runtime="torch")
    for size in ((40, 61), (1, 1), (3, 30), (97, 18)):
        image = net.random.randint(0, 256, (*size, 3)).astype(np.uint8)
        expected = np.array(plain.scores(image))
        assert np.abs(fast.scores(image) - expected).max() < 2e-6 * np.abs(expected).max()
    assert (fast.runtime, fast.note) == ("onnxruntime", None)
    assert made[0].left_out > 300
    found = [describe(node) for node in made[0].nodes]
    assert found.count("MatMul") == 2 and found.count("ConvTranspose by 3") == 1
