"""Files and values that cannot be used are refused with what is wrong, where, and what to do."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torchcaffe as caffe  # noqa: E402
from caffeformat import FormatError, InputError, LmdbWriter, Weights, write_caffemodel  # noqa: E402

pytestmark = pytest.mark.both_modes

NET = """name: "small"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { kernel_size: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  inner_product_param { num_output: 5 } }
"""


@pytest.fixture
def open_net(tmp_path):
    """A function that opens a prototxt of that text from a file."""

    def open_text(text, *args):
        (tmp_path / "net.prototxt").write_text(text)
        return caffe.Net(str(tmp_path / "net.prototxt"), *args, caffe.TEST)

    return open_text


@pytest.mark.parametrize(
    "right, wrong, problem",
    [
        ("kernel_size: 3", "kernel_sise: 3", r'net.prototxt:5:37: .*"kernel_sise".*"kernel_size"'),
        ("pooling_param", "poling_param", r'net.prototxt:7:3: .*"poling_param".*"pooling_param"'),
        ('"Pooling"', '"Poling"', 'layer "pool": there is no layer type "Poling".*"Pooling"'),
        ("num_output: 5", "num_output: five", r"net.prototxt:9:37: .*five"),
        ("kernel_size: 2 }", "kernel_size: 2", r"net.prototxt:8:1: .*opened on line"),
        ('bottom: "pool"', 'bottom: "pol"', 'layer "ip": its bottom "pol" .*"pool"'),
        ('bottom: "conv"', 'bottom: "ip"', 'layer "pool": its bottom "ip" is not the top of any'),
        ('top: "ip"', 'top: "conv"', 'layer "ip": .*already the top of layer "conv"'),
        (
            "kernel_size: 3",
            "kernel_size: 9",
            'layer "conv": nothing is left of 6 pixels.* kernel 9',
        ),
        ("num_output: 4", "num_output: 4 group: 2", r'layer "conv".* channels, 3,.*group: 2'),
        ('type: "Pooling"', "type: POOLING", "net.prototxt:6:"),
    ],
)
def test_a_wrong_prototxt_is_refused_with_the_place(open_net, right, wrong, problem):
    assert right in NET
    with pytest.raises(InputError, match=problem):
        open_net(NET.replace(right, wrong, 1))


@pytest.mark.parametrize(
    "layer, bottoms",
    [
        ('type: "Eltwise"', [(2, 3), (2, 4)]),
        ('type: "Concat"', [(2, 3, 4), (3, 3, 4)]),
        ('type: "Crop"', [(1, 1, 4, 4), (1, 1, 5, 5)]),
        ('type: "EuclideanLoss"', [(2, 3), (2, 4)]),
        ('type: "SigmoidCrossEntropyLoss"', [(2, 3), (3, 3)]),
        ('type: "SoftmaxWithLoss"', [(2, 3, 4, 4), (2, 1, 3, 4)]),
        ('type: "Accuracy"', [(2, 3), (5,)]),
        ('type: "ContrastiveLoss"', [(2, 3), (2, 4), (2,)]),
        ('type: "Scale"', [(2, 3, 4), (2, 4)]),
    ],
)
def test_shapes_that_do_not_fit_are_both_named(open_net, layer, bottoms):
    text = ""
    for index, shape in enumerate(bottoms):
        dims = " ".join(f"dim: {dim}" for dim in shape)
        text += f'layer {{ name: "in{index}" type: "Input" top: "in{index}" '
        text += f"input_param {{ shape {{ {dims} }} }} }}\n"
    names = " ".join(f'bottom: "in{index}"' for index in range(len(bottoms)))
    with pytest.raises(InputError) as refused:
        open_net(f'{text}layer {{ name: "it" {layer} {names} top: "out" }}').forward()
    assert 'layer "it"' in str(refused.value)
    for shape in bottoms[:2]:
        assert str(shape) in str(refused.value)


def test_an_input_of_a_size_that_a_layer_was_not_made_for_is_refused(open_net):
    net = open_net(NET)
    net.blobs["data"].reshape(2, 3, 9, 9)
    with pytest.raises(InputError, match=r'layer "ip".*36 inputs.*\(2, 4, 6, 6\) has 144'):
        net.forward()


def test_a_truncated_caffemodel_is_refused_with_the_byte(open_net, tmp_path):
    net, path = open_net(NET), tmp_path / "w.caffemodel"
    net.save(path)
    whole = path.read_bytes()
    for size in (1, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError, match=r"w\.caffemodel: byte \d+, reading .*"):
            open_net(NET, str(path))


def test_weights_that_have_no_layer_of_the_net_are_reported(open_net, tmp_path):
    path = tmp_path / "other.caffemodel"
    write_caffemodel(path, Weights({"fc6": [np.ones(3)], "fc7": [np.ones(3)]}))
    with pytest.warns(UserWarning, match=r'other.caffemodel: .*"fc6".*"small"'):
        open_net(NET, str(path))


@pytest.mark.parametrize(
    "layer, scores, wrong",
    [
        ('type: "SoftmaxWithLoss"', (2, 3), 3),
        ('type: "SoftmaxWithLoss" softmax_param { axis: 2 }', (2, 5, 3), 7),
        ('type: "SoftmaxWithLoss" loss_param { ignore_label: 255 }', (2, 3), 254),
        ('type: "SoftmaxWithLoss"', (2, 3), -1),
        ('type: "SoftmaxWithLoss"', (2, 3), float("nan")),
        ('type: "Accuracy"', (2, 3), 3),
        ('type: "HingeLoss"', (2, 3), 3),
        ('type: "MultinomialLogisticLoss"', (2, 3), 3),
    ],
)
def test_a_label_past_the_classes_is_named_with_layer_and_value(open_net, layer, scores, wrong):
    labels = (scores[0], *(scores[1:2] if "axis" in layer else ()))
    shapes = "".join(
        f"shape {{ {' '.join(f'dim: {dim}' for dim in shape)} }}" for shape in (scores, labels)
    )
    net = open_net(f"""
        layer {{ name: "in" type: "Input" top: "x" top: "label" input_param {{ {shapes} }} }}
        layer {{ name: "it" {layer} bottom: "x" bottom: "label" top: "out" }}""")
    net.blobs["label"].data[...] = 1
    net.blobs["label"].data.flat[-1] = wrong
    with pytest.raises(
        InputError, match=f'layer "it".*"label" holds the label {wrong:g}.*3'
    ) as caught:
        net.forward()
    can_ignore = "HingeLoss" not in layer and "Multinomial" not in layer
    assert ("set ignore_label" in str(caught.value)) == can_ignore


def test_an_index_past_the_rows_is_not_called_a_label_to_ignore(open_net):
    net = open_net("""
        layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 } } }
        layer { name: "it" type: "Embed" bottom: "x" top: "out"
                embed_param { num_output: 2 input_dim: 3 } }""")
    net.blobs["x"].data[...] = 3
    with pytest.raises(
        InputError, match=r'"x" holds the index 3, but only 0 to 2 are valid here\.$'
    ):
        net.forward()


def _data_net(source):
    return f"""layer {{ name: "in" type: "Data" top: "data"
        data_param {{ source: "{source}" backend: LMDB batch_size: 1 }} }}"""


def test_a_missing_or_empty_database_is_named_with_its_layer(open_net, tmp_path):
    with pytest.raises(InputError, match=f'layer "in".*{tmp_path}/none.*no such'):
        open_net(_data_net(tmp_path / "none")).forward()
    (tmp_path / "empty").mkdir()
    with LmdbWriter(tmp_path / "empty", overwrite=True):
        pass
    with pytest.raises(InputError, match=f'layer "in".*{tmp_path}/empty.*empty'):
        open_net(_data_net(tmp_path / "empty")).forward()


HOLD_READER = """
import lmdb, sys
transaction = lmdb.open(sys.argv[1], max_readers=1).begin()
print("reading", flush=True)
sys.stdin.read()
"""


def test_a_locked_database_is_named_with_its_layer(open_net, tmp_path):
    with LmdbWriter(tmp_path / "db") as writer:
        writer.put(b"a", b"1")
    command = [sys.executable, "-c", HOLD_READER, str(tmp_path / "db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout.readline() == b"reading\n"
        with pytest.raises(InputError, match=f'layer "in".*{tmp_path}/db.*locked'):
            open_net(_data_net(tmp_path / "db")).forward()
        reader.communicate()


def test_a_python_layer_from_elsewhere_does_not_run(open_net, tmp_path, monkeypatch):
    (tmp_path / "from_elsewhere.py").write_text("raise SystemExit('this file was run')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r'layer "it".*"from_elsewhere".*allow'):
        open_net("""layer { name: "it" type: "Python" top: "x"
            python_param { module: "from_elsewhere" layer: "It" } }""")


@pytest.fixture
def four_gigabytes():
    """Limits this process to the memory that it has and 4 GiB more, as `ulimit -v` does."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + (4 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.both_modes(slow_on_gpu=True)
@pytest.mark.usefixtures("four_gigabytes")
def test_a_net_that_memory_cannot_hold_is_refused_before_it_is_made(open_net):
    caffe.set_mode_cpu()  # whose memory is limited
    # The input alone would fit.
    problem = r'layer "conv" \(Convolution\): its top "conv" .*\(80, 4, 600004, 4\).* GB of memory'
    with pytest.raises(InputError, match=problem):
        open_net(NET.replace("dim: 2 dim: 3 dim: 6", "dim: 80 dim: 3 dim: 600006"))


@pytest.mark.parametrize(
    "filler, problem",
    [
        ('type: "uniform" min: 3 max: 0.5', "found min 3 and max 0.5"),
        ('type: "uniform" max: nan', "found min 0 and max nan"),
        ('type: "gaussian" std: -1', "found -1"),
        ('type: "gausian"', 'no filler "gausian"'),
    ],
)
def test_a_filler_that_cannot_be_is_named_with_its_layer(open_net, filler, problem):
    text = NET.replace("num_output: 4", f"num_output: 4 weight_filler {{ {filler} }}")
    with pytest.raises(InputError, match=f'layer "conv".*{problem}'):
        open_net(text)
