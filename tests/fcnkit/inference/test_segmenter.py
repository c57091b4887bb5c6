import numpy as np
import pytest

from caffeformat import InputError, Weights, parse_text, pb, read_net, write_caffemodel
from fcnkit import engine
from fcnkit.engine import door
from fcnkit.inference import NetworkError, Segmenter, TrainedNet, segmenter

try:
    engine.load()
except InputError as error:
    pytest.skip(str(error), allow_module_level=True)

NET = """
name: "colours"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 8, 8] } } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 3 kernel_size: 1 bias_term: false } }
"""


@pytest.fixture
def files(tmp_path):
    """A net whose three scores are the image's blue, green and red, and its weights."""
    net, weights = tmp_path / "net.prototxt", tmp_path / "w.caffemodel"
    net.write_text(NET)
    blobs = {"score": [np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)]}
    write_caffemodel(weights, Weights(blobs), parse_text(NET, pb.NetParameter))
    return str(net), str(weights)


IMAGE = np.zeros((5, 7, 3), np.uint8)
IMAGE[..., 2] = 9


@pytest.mark.slow
def test_the_net_is_read_once(files, monkeypatch):
    reads = []
    for module in (segmenter, door):
        monkeypatch.setattr(module, "read_net", lambda path: reads.append(path) or read_net(path))
    made = Segmenter(*files)
    for image in (IMAGE, IMAGE, IMAGE[:3]):
        assert (made.class_map(image) == 0).all()
    assert reads == [files[0]]


def test_a_trained_net_segments_with_its_own_mean_scale_and_channels(files):
    trained = TrainedNet(*files, mean=[10, 0, 0], scale=2)
    scores = trained.segmenter().scores(IMAGE)
    assert scores[:, 0, 0].tolist() == [-2, 0, 0]
    assert (trained.segmenter(channels="RGB").class_map(IMAGE) == 2).all()


@pytest.mark.slow
def test_errors_name_options_for_python_and_for_the_command_line(files, monkeypatch):
    monkeypatch.setattr(engine, "forward", lambda net, blob: np.zeros((1, 3, 1, 1)))
    with pytest.raises(InputError, match=r"expected classes x height x width .*output_blob=") as at:
        Segmenter(*files).scores(IMAGE)
    assert at.value.for_command_line().endswith("choose another blob with --output-blob")
    text = NET.replace('top: "score"', 'top: "one"') + (
        'layer { name: "split" type: "Slice" bottom: "one" top: "a" top: "b" '
        "slice_param { slice_point: 1 } }"
    )
    with open(files[0], "w") as file:
        file.write(text)
    with pytest.raises(NetworkError, match="choose one with output_blob=") as at:
        Segmenter(*files).scores(IMAGE)
    assert at.value.for_command_line().endswith("choose one with --output-blob")
