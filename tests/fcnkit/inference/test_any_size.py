"""Images of any size through nets that take only some, and several passes through real nets."""

import numpy as np
import pytest
from averaged_passes import reference, window_starts
from engine_runtime import of_the_engine

from caffeformat import InputError, Weights, parse_text, pb, write_caffemodel
from fcnkit import engine
from fcnkit.images import Preprocessor
from fcnkit.inference import Evaluation, Segmenter

pytestmark = pytest.mark.usefixtures("needs_engine")

INPUT = (
    'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, %d, %d] } } }'
)
CONV = """
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 4 kernel_size: 5 pad: 2 } }
"""
MULTIPLES = (
    CONV
    + """
layer { name: "p1" type: "Pooling" bottom: "c" top: "p1"
  pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layer { name: "p2" type: "Pooling" bottom: "p1" top: "p2"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "u1" type: "Deconvolution" bottom: "p2" top: "u1"
  convolution_param { num_output: 4 kernel_size: 2 stride: 2 } }
layer { name: "sum" type: "Eltwise" bottom: "u1" bottom: "p1" top: "sum" }
layer { name: "score" type: "Deconvolution" bottom: "sum" top: "score"
  convolution_param { num_output: 4 kernel_size: 4 stride: 2 pad: 1 } }
"""
)
FIXED = (
    CONV
    + """
layer { name: "prior" type: "Parameter" top: "prior"
  parameter_param { shape { dim: [1, 4, 24, 32] } } }
layer { name: "score" type: "Eltwise" bottom: "c" bottom: "prior" top: "score" }
"""
)
FREE = CONV.replace('top: "c"', 'top: "score"')


@pytest.fixture
def make(tmp_path):
    """A function: (text of a net's body, options of `Segmenter`) -> `Segmenter`."""

    def segmenter(body, **options):
        text = INPUT % (24, 32) + body
        path, weights = tmp_path / "net.prototxt", tmp_path / "w.caffemodel"
        path.write_text(text)
        net = parse_text(text, pb.NetParameter)
        random, opened, blobs = np.random.RandomState(2), engine.open_net(net), {}
        for name, params in engine.layer_params(opened).items():
            blobs[name] = [random.standard_normal(p.data.shape).astype(np.float32) for p in params]
        blobs["c"][0] /= 100
        write_caffemodel(weights, Weights(blobs), net)
        options.setdefault("preprocessor", Preprocessor([100, 110, 120], 0.5))
        return Segmenter(str(path), str(weights), runtime=of_the_engine(), **options)

    return segmenter


def image(height, width):
    return np.random.RandomState(height).randint(0, 256, (height, width, 3)).astype(np.uint8)


def straight(segmenter, planes):
    """The engine's scores for C x H x W, which the net takes."""
    net, output = segmenter._network.engine_net((1, *planes.shape))
    net.blobs["data"].data[...] = planes
    return np.array(engine.forward(net, output)[0])


def padded(planes, size):
    made = np.zeros((3, *size), np.float32)
    made[:, : planes.shape[1], : planes.shape[2]] = planes
    return made


@pytest.mark.parametrize("shape", [(24, 32), (4, 4), (40, 28)])
def test_an_image_that_fits_gives_what_the_net_computes(make, shape):
    for body in (FREE, MULTIPLES):
        segmenter = make(body)
        made = np.array(segmenter.scores(image(*shape)))
        planes = segmenter.preprocessor(image(*shape))[0]
        assert made.tobytes() == straight(segmenter, planes).tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(375, 500), (1, 1), (23, 33)])
def test_others_are_padded_with_the_mean_colour(make, shape):
    segmenter = make(MULTIPLES)
    made = np.array(segmenter.scores(image(*shape)))
    assert made.shape == (4, *shape)
    size = tuple(-(-extent // 4) * 4 for extent in shape)
    planes = padded(segmenter.preprocessor(image(*shape))[0], size)
    assert np.array_equal(made, straight(segmenter, planes)[:, : shape[0], : shape[1]])
    found = segmenter.predict(image(*shape), confidence=True)
    assert np.array_equal(found.mask, made.argmax(0)) and found.classes == 4
    expected = np.exp(made - made.max(0)) / np.exp(made - made.max(0)).sum(0)
    assert found.confidence == pytest.approx(expected.max(0), abs=1e-6)
    assert segmenter.classes(image(*shape)) == 4
    scores, mask = segmenter.segment(image(*shape))
    assert scores.shape == made.shape and np.array_equal(mask, found.mask)


@pytest.mark.parametrize("shape", [(24, 32), (10, 7), (50, 90), (24, 33), (10, 90), (99, 5)])
def test_a_net_of_one_size_gets_windows(make, shape):
    segmenter = make(FIXED)
    planes = segmenter.preprocessor(image(*shape))[0]
    total, count = np.zeros((4, *shape)), np.zeros(shape)
    for top in window_starts(shape[0], 24):
        for left in window_starts(shape[1], 32):
            part = planes[:, top : top + 24, left : left + 32]
            rows, columns = part.shape[1:]
            made = straight(segmenter, padded(part, (24, 32)))[:, :rows, :columns]
            total[:, top : top + rows, left : left + columns] += made
            count[top : top + rows, left : left + columns] += 1
    made = segmenter.scores(image(*shape))
    assert np.allclose(made, total / count, atol=1e-4 * np.abs(total).max())
    assert np.array_equal(segmenter.class_map(image(*shape)), made.argmax(0))
    assert segmenter.classes(image(*shape)) == 4


def test_a_mean_image_is_subtracted_before_an_image_is_cut(make):
    mean = np.random.RandomState(3).uniform(0, 255, (3, 50, 90)).astype(np.float32)
    whole = make(FIXED, preprocessor=Preprocessor(mean)).scores(image(50, 90))
    colour = make(FIXED, preprocessor=Preprocessor(mean.mean((1, 2)))).scores(image(50, 90))
    assert np.abs(whole - colour).max() > 1
    padded_net = make(MULTIPLES, preprocessor=Preprocessor(mean))
    planes = padded(padded_net.preprocessor(image(50, 90))[0], (52, 92))
    expected = straight(padded_net, planes)[:, :50, :90]
    assert np.array_equal(padded_net.scores(image(50, 90)), expected)


PLANS = [
    {"scales": (0.5, 0.75, 1.0, 1.25, 1.5, 1.75), "flip": True, "window": 48},
    {"scales": (0.75, 1.0, 1.25)},
    {"flip": True},
    {"window": 20},
]
CASES = [(body, plan) for body in (FREE, MULTIPLES) for plan in PLANS]


@pytest.mark.slow
@pytest.mark.parametrize(("body", "plan"), [*CASES, (FIXED, PLANS[3])])
def test_scales_mirror_images_and_windows_against_the_formula(make, body, plan):
    segmenter, plain = make(body, evaluation=Evaluation(**plan)), make(body)
    picture = image(61, 83)

    def score(planes):
        planes = np.ascontiguousarray(planes, np.float32)
        _, height, width = planes.shape
        size = {MULTIPLES: (-(-height // 4) * 4, -(-width // 4) * 4), FIXED: (24, 32)}
        made = straight(plain, padded(planes, size.get(body, (height, width))))
        return made[:, :height, :width].astype(float)

    expected = reference(plain.preprocessor(picture)[0], score, **plan)
    made = segmenter.scores(picture)
    assert np.abs(made - expected).max() < 1e-5
    found = segmenter.predict(picture, confidence=True)
    assert np.array_equal(found.mask, made.argmax(0))
    assert found.confidence == pytest.approx(made.max(0), abs=1e-6)


def test_probabilities_stay_as_they_are(make):
    body = FREE.replace('top: "score"', 'top: "x"')
    body += 'layer { name: "score" type: "Softmax" bottom: "x" top: "score" }'
    picture = image(30, 41)
    once = np.array(make(body).scores(picture))
    found = make(body).predict(picture, confidence=True)
    assert np.array_equal(found.confidence, once.max(0))
    flipped = make(body, evaluation=Evaluation(window=41)).scores(picture)
    assert np.allclose(flipped, once, atol=1e-6)


@pytest.mark.slow
def test_an_image_that_does_not_fit_into_memory_goes_through_in_windows(make, monkeypatch):
    picture = image(300, 400)
    expected = make(FREE, evaluation=Evaluation(window=64)).predict(picture, confidence=True)
    room = 4 * (3 + 4) * 70 * 70  # the net's blobs for a window, and little more
    monkeypatch.setattr("fcnkit.engine.memory.available_memory", lambda: room)
    monkeypatch.setattr("fcnkit.inference.averaging._BLOCK_VALUES", 4 * 50 * 50)
    with pytest.raises(InputError, match="are free: pass scale_to="):
        make(FREE).predict(picture)
    segmenter = make(FREE, evaluation=Evaluation(window=64))
    monkeypatch.setattr("fcnkit.inference.segmenter.available_memory", lambda: room)
    made = segmenter.predict(picture, confidence=True)
    assert np.array_equal(made.mask, expected.mask)
    assert np.array_equal(made.confidence, expected.confidence)
    with pytest.raises(InputError, match="the scores of 4 classes at 400x300 pixels need"):
        segmenter.scores(picture)


def test_a_limit_to_the_size_comes_before_everything_else(make):
    picture = image(60, 80)
    segmenter = make(MULTIPLES, scale_to=39, evaluation=Evaluation((1.0, 1.5)))
    assert segmenter.scores(picture).shape == (4, 29, 39)
    found = segmenter.predict(picture, confidence=True)
    assert found.mask.shape == found.confidence.shape == (60, 80)
    assert np.array_equal(found.mask, segmenter.map_of(segmenter.scores(picture), (60, 80)))
