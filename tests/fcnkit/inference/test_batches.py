"""Several images at a time: the results of one after the other, in their order."""

import weakref

import numpy as np
import pytest
from engine_runtime import of_the_engine
from PIL import Image

from caffeformat import InputError, Weights, parse_text, pb, write_caffemodel
from fcnkit import engine
from fcnkit.engine import memory
from fcnkit.images import Preprocessor, resize_image, voc_palette
from fcnkit.inference import Evaluation, Segmenter, segment_files
from fcnkit.inference import segmenter as module
from fcnkit.nets import interpolation_weights
from fcnkit.runtimes import is_installed

pytestmark = pytest.mark.usefixtures("needs_engine")

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 24, 32] } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 4 kernel_size: 5 pad: 2 } }
"""
FREE = NET.replace('top: "c"', 'top: "score"')
MULTIPLES = (
    NET
    + """
layer { name: "p" type: "Pooling" bottom: "c" top: "p"
  pooling_param { pool: AVE kernel_size: 4 stride: 4 } }
layer { name: "up" type: "Deconvolution" bottom: "p" top: "up"
  convolution_param { num_output: 4 kernel_size: 4 stride: 4 } }
layer { name: "score" type: "Eltwise" bottom: "c" bottom: "up" top: "score" }
"""
)
MIXING = (
    NET
    + """
layer { name: "score" type: "BatchNorm" bottom: "c" top: "score"
  batch_norm_param { use_global_stats: false } }
"""
)
FIXED = (
    NET
    + """
layer { name: "prior" type: "Parameter" top: "prior"
  parameter_param { shape { dim: [1, 4, 24, 32] } } }
layer { name: "score" type: "Eltwise" bottom: "c" bottom: "prior" top: "score" }
"""
)
# A frame of 100 pixels around the image, bilinear enlargement by 8, and a crop, as Berkeley's have.
FRAMED = (
    NET.replace("pad: 2", "pad: 100")
    + """
layer { name: "p1" type: "Pooling" bottom: "c" top: "p1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "c2" type: "Convolution" bottom: "p1" top: "c2"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "p2" type: "Pooling" bottom: "c2" top: "p2"
  pooling_param { pool: MAX kernel_size: 4 stride: 4 } }
layer { name: "c3" type: "Convolution" bottom: "p2" top: "c3"
  convolution_param { num_output: 4 kernel_size: 7 } }
layer { name: "up" type: "Deconvolution" bottom: "c3" top: "up"
  convolution_param { num_output: 4 kernel_size: 16 stride: 8 bias_term: false } }
layer { name: "score" type: "Crop" bottom: "up" bottom: "data" top: "score"
  crop_param { axis: 2 offset: 40 } }
"""
)
RUNTIMES = [of_the_engine(), *filter(is_installed, ("onnxruntime", "openvino"))]
SHAPES = [(24, 32)] * 3 + [(23, 32)] * 2 + [(24, 32), (40, 50), (40, 50), (24, 32)]


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FCNKIT_CACHE", "")

    def segmenter(text, **options):
        (tmp_path / "net.prototxt").write_text(text)
        net = parse_text(text, pb.NetParameter)
        random, opened, blobs = np.random.RandomState(2), engine.open_net(net), {}
        for name, params in engine.layer_params(opened).items():
            blobs[name] = [random.standard_normal(p.data.shape).astype(np.float32) for p in params]
        blobs["c"][0] /= 100
        if "up" in blobs and text == FRAMED:
            blobs["up"] = [interpolation_weights(blobs["up"][0].shape)]
        if "score" in blobs and len(blobs["score"]) == 3:
            blobs["score"] = [np.zeros(4), np.ones(4), np.ones(1)]
        write_caffemodel("w.caffemodel", Weights(blobs), net)
        return Segmenter("net.prototxt", "w.caffemodel", Preprocessor([100, 110, 120]), **options)

    for number, shape in enumerate(SHAPES):
        pixels = np.random.RandomState(number).randint(0, 256, (*shape, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"not an image")
    return segmenter


NAMES = ["0", "1", "2", "3", "broken", "4", "5", "6", "7", "8"]


def passes(segmenter):
    """The shapes that the net sees, as a list that grows."""
    seen, forward = [], segmenter._network._one_pass

    def counted(data, name):
        seen.append(data.shape)
        return forward(data, name)

    segmenter._network._one_pass = counted
    return seen


def results(segmenter, folder, **options):
    images = {name: f"{name}.png" for name in NAMES}
    made = list(segment_files(segmenter, images, folder, voc_palette(), **options))
    assert [result.name for result in made] == NAMES
    assert [result.name for result in made if result.error] == ["broken"]
    return {n: np.array(Image.open(f"{folder}/{n}.png")) for n in NAMES if n != "broken"}


EVERY_NET = pytest.mark.parametrize("body", [FREE, MULTIPLES, FIXED, MIXING])


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
@EVERY_NET
@pytest.mark.parametrize(
    "plan", [{}, {"window": 20}, {"scales": (0.75, 1.25), "flip": True}, {"scale_to": 30}]
)
def test_masks_of_any_evaluation_are_those_of_one_after_the_other(make, runtime, body, plan):
    masks_are_equal(make, runtime, body, plan, (2, 4))


@EVERY_NET
def test_masks_are_those_of_one_after_the_other(make, body):
    masks_are_equal(make, of_the_engine(), body, {}, (3,))


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_frames_and_enlargements_that_a_runtime_shortens_keep_images_apart(make, runtime):
    masks_are_equal(make, runtime, FRAMED, {}, (3,))


def test_windows_of_several_images_go_together(make):
    masks_are_equal(make, of_the_engine(), FREE, {"window": 20, "flip": True}, (3,))


def masks_are_equal(make, runtime, body, plan, counts):
    scale_to = plan.get("scale_to")
    plan = {key: value for key, value in plan.items() if key != "scale_to"}
    one = make(body, runtime=runtime, scale_to=scale_to, evaluation=Evaluation(**plan))
    expected = results(one, "one", confidence=True)
    for count in counts:
        several = make(
            body, runtime=runtime, scale_to=scale_to, evaluation=Evaluation(**plan, batch=count)
        )
        made = results(several, f"by {count}", confidence=True)
        for name, mask in expected.items():
            assert np.array_equal(made[name], mask), (count, name)
        is_said = any("one image at a time" in note for note in several.notes)
        assert is_said == (body in (MIXING, FIXED)) and len(several.notes) <= 2


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_neighbours_of_one_size_go_through_the_net_together(make, runtime):
    segmenter = make(FREE, runtime=runtime, evaluation=Evaluation(batch=3))
    seen = passes(segmenter)
    results(segmenter, "out")
    # Beside an engine the first image alone decides what computes.
    first = [] if runtime == of_the_engine() else [(1, 24, 32)]
    assert [(shape[0], *shape[2:]) for shape in seen] == [
        *first, (3, 24, 32), (1, 23, 32), (1, 23, 32), (1, 24, 32), (2, 40, 50), (1, 24, 32),
    ]  # fmt: skip


@pytest.mark.skipif("onnxruntime" not in RUNTIMES, reason="an engine's scores never wait")
def test_scores_of_a_batch_wait_for_a_thread_only_where_all_are_small(make, monkeypatch):
    monkeypatch.setattr("fcnkit.inference.segmenter._MOST_WAITING", 2 * 4 * 24 * 32 * 4)
    segmenter = make(FREE, runtime="onnxruntime", evaluation=Evaluation(batch=3))
    images = [np.array(Image.open(f"{i}.png")) for i in range(3)]
    segmenter.predict(images[0])  # from now on the runtime computes
    kept, forward = [], segmenter._network.forward

    def remembered(data, name):
        scores = forward(data, name)
        kept.append(weakref.ref(scores))
        return scores

    segmenter._network.forward = remembered
    for count, waits in ((1, True), (2, True), (3, False)):
        kept.clear()
        later = segmenter.predict_together(images[:count], ["image"] * count)
        assert (kept[0]() is not None) == waits
        assert [each().mask.shape for each in later] == [(24, 32)] * count


def test_images_that_are_padded_to_one_size_go_together(make):
    segmenter = make(MULTIPLES, runtime=of_the_engine(), evaluation=Evaluation(batch=8))
    seen = passes(segmenter)
    results(segmenter, "out")
    # Images of 24 and of 23 rows, up to the broken one; then again.
    assert [(shape[0], *shape[2:]) for shape in seen] == [
        (4, 24, 32), (2, 24, 32), (2, 40, 52), (1, 24, 32),
    ]  # fmt: skip


def test_images_are_scaled_down_once(make, monkeypatch):
    segmenter = make(FREE, runtime=of_the_engine(), scale_to=16, evaluation=Evaluation(batch=4))
    scaled = []

    def counted(image, size):
        scaled.append(size)
        return resize_image(image, size)

    monkeypatch.setattr(module, "resize_image", counted)
    results(segmenter, "out")
    assert len(scaled) == len(SHAPES)


def test_saved_scores_are_those_of_one_after_the_other(make):
    for count, folder in ((1, "one"), (4, "four")):
        segmenter = make(FREE, runtime=of_the_engine(), evaluation=Evaluation(batch=count))
        results(segmenter, folder, save_scores="float32")
    for name in NAMES:
        if name != "broken":
            one, four = (np.load(f"{folder}/{name}_scores.npz") for folder in ("one", "four"))
            assert np.allclose(
                one["scores"], four["scores"], atol=1e-6 * np.abs(one["scores"]).max()
            )


def test_a_net_that_mixes_images_gets_one_at_a_time_and_says_so(make):
    segmenter = make(MIXING, runtime=of_the_engine(), evaluation=Evaluation(batch=4))
    seen = passes(segmenter)
    results(segmenter, "out")
    assert all(shape[0] == 1 for shape in seen)
    assert segmenter.notes == [
        'net.prototxt: runs on one image at a time: layer "score" (BatchNorm) uses statistics of '
        "the batch"
    ]


def test_where_memory_does_not_suffice_for_all_fewer_go_together(make, monkeypatch):
    segmenter = make(FREE, runtime=of_the_engine(), evaluation=Evaluation(batch=3))
    monkeypatch.setattr(memory, "available_memory", lambda: 4 * 7 * 24 * 32 * 2)
    images = {name: f"{name}.png" for name in ("0", "1", "2")}
    seen = passes(segmenter)
    made = list(segment_files(segmenter, images, "out", voc_palette()))
    assert not any(result.error for result in made)
    assert max(shape[0] for shape in seen) < 3
    (note,) = segmenter.notes
    assert "3 images of 32x24 at a time do not fit in the free memory" in note


def test_an_image_that_fails_fails_alone(make):
    segmenter = make(FREE, runtime=of_the_engine(), evaluation=Evaluation(batch=3))
    forward = segmenter._network.forward

    def broken(data, name="image"):
        scores = np.array(forward(data, name))
        scores[np.abs(data - second).max((1, 2, 3)) < 1e-3] = np.nan
        return scores

    second = segmenter.preprocessor(segmenter.read("1.png"))[0]
    segmenter._network.forward = broken
    images = {name: f"{name}.png" for name in ("0", "1", "2")}
    made = list(segment_files(segmenter, images, "out", voc_palette()))
    assert [bool(result.error) for result in made] == [False, True, False]
    assert "1.png: the scores are not finite" in str(made[1].error)


@pytest.mark.parametrize("count", [0, -1, 257])
def test_numbers_that_cannot_be_are_refused(count):
    with pytest.raises(InputError, match=f"{count} images in batch=...: expected 1 to 256"):
        Evaluation(batch=count)


def test_no_more_images_are_read_than_a_batch_needs(make):
    segmenter = make(FREE, runtime=of_the_engine(), evaluation=Evaluation(batch=2))
    read = []
    inner = segmenter.read
    segmenter.read = lambda path: read.append(path) or inner(path)
    images = {f"{turn}": "0.png" for turn in range(30)}
    made = segment_files(segmenter, images, "out", voc_palette())
    next(made)
    assert len(read) <= 6
    made.close()
