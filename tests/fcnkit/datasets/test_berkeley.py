"""Berkeley's data layers, as its prototxts name them, hand their datasets to a net."""

import random

import mat_datasets as made
import numpy as np
import pytest

from caffeformat import InputError, parse_text, pb
from fcnkit import zoo
from fcnkit.datasets.berkeley_options import parse_options
from fcnkit.images import voc_palette, write_label

pytest.importorskip("scipy")
torchcaffe = pytest.importorskip("torchcaffe")

MEAN = (104.00699, 116.66877, 122.67892)


def data_net(module, layer, names, **settings):
    """A net of one data layer, written as Berkeley's prototxts are."""
    text = "".join(f"top: '{top}' " for top in names)
    settings = str(settings).replace("'", r"\'")
    message = parse_text(
        f"layer {{ name: 'data' type: 'Python' {text} python_param {{ module: '{module}' "
        f"layer: '{layer}' param_str: '{settings}' }} }}",
        pb.NetParameter,
    )
    return torchcaffe.Net(net_param=message, phase=torchcaffe.TRAIN)


def steps(net, count):
    """The blobs of `count` forward passes."""
    for _ in range(count):
        net.forward()
        yield {name: blob.data.copy() for name, blob in net.blobs.items()}


def bgr(content, mean):
    image = made.pixels(content)[:, :, ::-1].astype(np.float32) - np.array(mean, np.float32)
    return image.transpose(2, 0, 1)[None]


def test_sbd_train_is_drawn_in_the_order_of_its_seed(tmp_path):
    ids = [f"2008_{number:06}" for number in range(5)]
    files = made.sbd_files(ids, ["2009_000001"])
    folder = made.write_files(tmp_path, files) / "benchmark_RELEASE" / "dataset"
    settings = {"sbdd_dir": str(folder), "split": "train", "seed": 1337, "mean": MEAN}
    net = data_net("voc_layers", "SBDDSegDataLayer", ["data", "label"], **settings)
    draw = random.Random(1337)
    for blobs in steps(net, 6):
        id_ = ids[draw.randint(0, 4)]
        image = files[f"benchmark_RELEASE/dataset/img/{id_}.jpg"]
        label = files[f"benchmark_RELEASE/dataset/cls/{id_}.mat"]
        label = made.variable(label, "GTcls")[0]["Segmentation"][0]
        np.testing.assert_allclose(blobs["data"], bgr(image, MEAN), rtol=1e-6)
        np.testing.assert_array_equal(blobs["label"], label[None, None])


def test_voc_val_comes_in_order_and_starts_again(tmp_path):
    labels = {}
    noise = np.random.RandomState(0)
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (tmp_path / folder).mkdir(parents=True)
    for id_, size in (("2007_000001", (20, 30)), ("2007_000002", (30, 20))):
        image = made.encoded(made.photo(noise, size), "JPEG")
        (tmp_path / "JPEGImages" / f"{id_}.jpg").write_bytes(image)
        labels[id_] = noise.choice([0, 5, 255], size).astype(np.uint8)
        write_label(tmp_path / "SegmentationClass" / f"{id_}.png", labels[id_], voc_palette())
    (tmp_path / "ImageSets/Segmentation/seg11valid.txt").write_bytes(made.id_list(labels))
    net = data_net(
        "voc_layers", "VOCSegDataLayer", ["data", "label"],
        voc_dir=str(tmp_path), split="seg11valid", seed=1337, mean=MEAN,
    )  # fmt: skip
    order = ["2007_000001", "2007_000002", "2007_000001"]
    for id_, blobs in zip(order, steps(net, 3)):
        np.testing.assert_array_equal(blobs["label"], labels[id_][None, None])
        assert blobs["data"].shape == (1, 3, *labels[id_].shape)


def test_pascal_context_keeps_the_chosen_classes(tmp_path):
    sizes = {"2008_000001": (20, 24)}
    files = made.context_files(sizes)
    made.write_files(tmp_path / "context", files)
    voc = made.voc2010_files({"val": list(sizes)}, sizes)
    made.write_files(tmp_path, {name.replace("VOCdevkit/", ""): voc[name] for name in voc})
    net = data_net(
        "pascalcontext_layers", "PASCALContextSegDataLayer", ["data", "label"],
        voc_dir=str(tmp_path), context_dir=str(tmp_path / "context"), split="val", seed=1337,
        mean=MEAN,
    )  # fmt: skip
    (blobs,) = steps(net, 1)
    raw = made.variable(files["trainval/2008_000001.mat"], "LabelMap")
    # accordion is not chosen; the others are, two of them under other names
    wanted = np.array([0, 0, 1, 2, 3, 4, 5])[raw]
    np.testing.assert_array_equal(blobs["label"], wanted[None, None])


def test_nyud_gives_the_requested_tops(tmp_path):
    files = made.nyud_files()
    folder = made.write_files(tmp_path, files) / "nyud"
    tops = ["depth", "label", "hha", "color"]
    settings = {"nyud_dir": str(folder), "split": "test", "tops": tops, "seed": 1337}
    (blobs,) = steps(data_net("nyud_layers", "NYUDSegDataLayer", tops, **settings), 1)

    def image(kind):
        return made.pixels(files[f"nyud/data/{kind}/img_5002.png"]).astype(np.float32)

    np.testing.assert_allclose(
        blobs["depth"][0, 0], np.log(image("depth")) - np.float32(7.844), atol=1e-6
    )
    hha = image("hha") - np.array((132.431, 94.076, 118.477), np.float32)
    np.testing.assert_allclose(blobs["hha"][0], hha.transpose(2, 0, 1))
    color = image("images")[:, :, ::-1] - np.array((116.190, 97.203, 92.318), np.float32)
    np.testing.assert_allclose(blobs["color"][0], color.transpose(2, 0, 1))
    label = made.variable(files["nyud/segmentation/img_5002.mat"], "segmentation").astype(int)
    np.testing.assert_array_equal(blobs["label"][0, 0], np.where(label == 0, 255, label - 1))


def test_siftflow_has_semantic_and_geometric_labels(tmp_path):
    files = made.siftflow_files()
    folder = made.write_files(tmp_path, files) / "SiftFlow"
    net = data_net(
        "siftflow_layers", "SIFTFlowSegDataLayer", ["data", "sem", "geo"],
        siftflow_dir=str(folder), split="test", seed=1337,
    )  # fmt: skip
    (blobs,) = steps(net, 1)
    image = files[f"SiftFlow/Images/{made.SCENES}/tall_c3.jpg"]
    np.testing.assert_allclose(blobs["data"], bgr(image, (114.578, 115.294, 108.353)), rtol=1e-6)
    for top, kind in (("sem", "SemanticLabels"), ("geo", "GeoLabels")):
        label = made.variable(files[f"SiftFlow/{kind}/{made.SCENES}/tall_c3.mat"], "S")
        wanted = np.where(label <= 0, 255, label - 1)
        np.testing.assert_array_equal(blobs[top][0, 0], wanted)


def test_the_published_networks_read_their_data(tmp_path, monkeypatch):
    (tmp_path / "net").mkdir()
    made.write_files(tmp_path / "data", made.nyud_files())
    siftflow = made.siftflow_files()
    made.write_files(
        tmp_path / "data",
        {name.replace("SiftFlow", "sift-flow"): content for name, content in siftflow.items()},
    )
    monkeypatch.chdir(tmp_path / "net")
    for network, shapes in (
        ("siftflow_fcn8s", {"data": (1, 3, 16, 16), "geo": (1, 1, 16, 16)}),
        ("nyud_fcn32s_color_hha", {"hha": (1, 3, 24, 32), "label": (1, 1, 24, 32)}),
    ):
        with open(zoo.path(network, "train_val.prototxt"), encoding="utf-8") as file:
            net = parse_text(file.read(), pb.NetParameter)
        del net.layer[2:]
        blobs = torchcaffe.Net(net_param=net, phase=torchcaffe.TEST).blobs
        assert {name: blobs[name].data.shape for name in shapes} == shapes


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"sbdd_dir": None}, "lacks sbdd_dir"),
        ({"split": None}, "lacks split"),
        ({"dir": 1}, "has unknown dir"),
        ({"sbdd_dir": "absent"}, r"sbdd_dir .* is 'absent': there is no such folder \(/"),
        ({"sbdd_dir": 7}, "sbdd_dir in param_str is 7: expected a folder"),
        ({"split": "absent"}, r"no list .*absent\.txt; the lists there are train\.txt, val\.txt"),
        ({"sbdd_dir": "."}, "split .* no list"),
        ({"split": ["train"]}, r"split in param_str is \['train'\]: expected the name of a list"),
        ({"split": "../train"}, r"split .* is '\.\./train': expected the name"),
        ({"split": ""}, "split .* expected the name"),
        ({"seed": "1337"}, "seed in param_str is '1337': expected a whole number or None"),
        ({"seed": 1.5}, "seed .* is 1.5: expected a whole number"),
        ({"randomize": "no"}, "randomize .* is 'no': expected True or False"),
        ({"mean": (104, 117)}, r"mean .* is \(104, 117\): expected three numbers"),
        ({"mean": 104}, "mean .* is 104: expected three"),
        ({"mean": "104, 117, 123"}, "mean .* expected three"),
        ({"mean": (104, 117, "123")}, "mean .* expected three"),
        ({"mean": (104, 117, None)}, "mean .* expected three"),
        ({"mean": list(range(10**4))}, r"mean .* is \[0, 1, 2, .*\.\.\.\]: expected three"),
    ],
)
def test_wrong_settings_are_named(tmp_path, settings, words):
    folder = made.write_files(tmp_path, made.sbd_files()) / "benchmark_RELEASE/dataset"
    settings = {"sbdd_dir": str(folder), "split": "train", **settings}
    if None in (settings["sbdd_dir"], settings["split"]):
        settings = {name: value for name, value in settings.items() if value is not None}
    with pytest.raises(InputError, match=rf"layer 'data' \(SBDDSegDataLayer\): .*{words}"):
        data_net("voc_layers", "SBDDSegDataLayer", ["data", "label"], **settings)


@pytest.mark.parametrize("tops", ["color", [], [1], ["color", "colour"], None])
def test_wrong_tops_are_named(tmp_path, tops):
    folder = made.write_files(tmp_path, made.nyud_files()) / "nyud"
    settings = {"nyud_dir": str(folder), "split": "test", "tops": tops}
    with pytest.raises(InputError, match=r"NYUDSegDataLayer.*tops in param_str .* expected"):
        data_net("nyud_layers", "NYUDSegDataLayer", ["color", "label"], **settings)


@pytest.mark.parametrize(
    "text",
    ["[1]", "7", "'voc_dir'", "{[]: 1}", "{'a'", "{1, 2}", "dict(a=1)", "(" * 10**4, "{**x}"],
)
def test_a_text_that_is_not_a_dict_is_refused(text):
    with pytest.raises(InputError, match=r"a layer: param_str .* dict"):
        parse_options(text, ("split",), {}, "a layer")


def test_an_infinite_mean_is_refused():
    with pytest.raises(InputError, match=r"mean in param_str is .*inf.*three numbers"):
        parse_options("{'split': 'val', 'mean': (1, 2, 1e999)}", ("split",), {"mean": 0}, "a")


def test_param_str_is_never_executed(tmp_path):
    harm = f"__import__('os').mkdir({str(tmp_path / 'harm')!r})"
    net = pb.NetParameter()
    layer = net.layer.add(name="data", type="Python", top=["data", "label"])
    layer.python_param.module, layer.python_param.layer = "voc_layers", "VOCSegDataLayer"
    layer.python_param.param_str = harm
    with pytest.raises(InputError, match="not a Python dict"):
        torchcaffe.Net(net_param=net, phase=torchcaffe.TRAIN)
    assert not (tmp_path / "harm").exists()


def test_the_number_of_tops_is_checked(tmp_path):
    folder = made.write_files(tmp_path, made.siftflow_files()) / "SiftFlow"
    with pytest.raises(InputError, match=r"3 tops \(data, sem, geo\), found 0 and 2"):
        data_net(
            "siftflow_layers", "SIFTFlowSegDataLayer", ["data", "sem"],
            siftflow_dir=str(folder), split="test",
        )  # fmt: skip


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("start", [0, 6])
def test_solvers_take_what_one_solver_would(split, start, tmp_path, monkeypatch):
    from torchcaffe.core import process

    ids = [f"2008_{number:06}" for number in range(5)]
    folder = made.write_files(tmp_path, made.sbd_files(ids, ids))
    settings = {
        "sbdd_dir": str(folder / "benchmark_RELEASE" / "dataset"),
        "split": split, "seed": 7, "mean": (0, 0, 0), "start": start,
    }  # fmt: skip

    def seen(rank, solvers, count):
        monkeypatch.setattr(process, "_count", solvers)
        monkeypatch.setattr(process, "_rank", rank)
        net = data_net("voc_layers", "SBDDSegDataLayer", ["data", "label"], **settings)
        return [blobs["data"].tobytes() for blobs in steps(net, count)]

    whole = seen(0, 1, 8)
    assert len(set(whole)) > 1
    for solvers in (2, 4):
        for rank in range(solvers):
            assert seen(rank, solvers, 8 // solvers) == whole[rank::solvers]
