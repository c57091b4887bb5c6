"""DenseImageData (SegNet) and ImageSegData (DeepLab): images and labels, changed alike."""

import numpy as np
import pytest
from PIL import Image

import torchcaffe
from caffeformat import InputError, parse_text, pb

RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.randint(0, 256, (4, 7, 9, 3)).astype(np.uint8)
LABELS = RANDOM.randint(0, 11, (4, 7, 9)).astype(np.uint8)
DENSE, SEG = ("DenseImageData", "dense_image_data"), ("ImageSegData", "image_data")


@pytest.fixture
def folder(tmp_path):
    for number, (image, label) in enumerate(zip(IMAGES, LABELS)):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
        Image.fromarray(label).save(tmp_path / f"{number}_label.png")
    _write_list(tmp_path, [f"{tmp_path}/{i}.png {tmp_path}/{i}_label.png" for i in range(4)])
    return tmp_path


def _write_list(folder, lines):
    (folder / "list.txt").write_text("\n".join(lines) + "\n")


def _net(folder, layer, fields, transform="", phase=torchcaffe.TRAIN, tops=2):
    kind, param = layer
    names = " ".join(f'top: "t{index}"' for index in range(tops))
    pixel = "label_type: PIXEL" if layer is SEG and "label_type" not in fields else ""
    text = f"""layer {{ name: "it" type: "{kind}" {names} transform_param {{ {transform} }}
        {param}_param {{ source: "{folder}/list.txt" {pixel} {fields} }} }}"""
    return torchcaffe.Net(net_param=parse_text(text, pb.NetParameter), phase=phase)


def _bgr(image):
    return image[..., ::-1].transpose(2, 0, 1).astype(np.float32)


@pytest.mark.parametrize("layer", [DENSE, SEG])
def test_pairs_come_in_order_round_after_round(folder, layer):
    net = _net(
        folder, layer, "batch_size: 3", "mean_value: 10 mean_value: 20 mean_value: 30 scale: 2"
    )
    means = np.float32([10, 20, 30])[:, None, None]
    for wanted in ([0, 1, 2], [3, 0, 1]):
        net.forward()
        assert net.blobs["t0"].data.shape == (3, 3, 7, 9)
        assert net.blobs["t1"].data.shape == (3, 1, 7, 9)
        for place, number in enumerate(wanted):
            image = (_bgr(IMAGES[number]) - means) * 2
            np.testing.assert_array_equal(net.blobs["t0"].data[place], image)
            np.testing.assert_array_equal(net.blobs["t1"].data[place, 0], LABELS[number])


def _places(net):
    """Where the top left pixel of each image of a batch lies: (image, row, column, mirrored)."""
    places = []
    for image, label in zip(net.blobs["t0"].data, net.blobs["t1"].data[:, 0]):
        found = [
            (number, row, column, turn)
            for number in range(4)
            for turn in (1, -1)
            for row in range(7 - label.shape[0] + 1)
            for column in range(9 - label.shape[1] + 1)
            if np.array_equal(
                _bgr(IMAGES[number])[:, :, ::turn][:, row:, column:][
                    :, : label.shape[0], : label.shape[1]
                ],
                image,
            )
            and np.array_equal(
                LABELS[number][:, ::turn][row:, column:][: label.shape[0], : label.shape[1]], label
            )
        ]
        assert len(found) == 1
        places += found
    return places


@pytest.mark.parametrize("phase", [torchcaffe.TRAIN, torchcaffe.TEST])
@pytest.mark.parametrize(
    "layer, fields, transform",
    [
        (DENSE, "mirror: true crop_height: 4 crop_width: 5", ""),
        (SEG, "", "mirror: true crop_height: 4 crop_width: 5"),
        (SEG, "", "mirror: true crop_size: 4"),
    ],
)
def test_crops_and_mirrors_are_those_of_image_and_label(folder, layer, fields, transform, phase):
    torchcaffe.set_random_seed(3)
    net = _net(folder, layer, f"batch_size: 4 shuffle: true {fields}", transform, phase)
    seen = []
    for _ in range(5):
        net.forward()
        places = _places(net)
        assert sorted(number for number, *_ in places) == [0, 1, 2, 3]
        seen += places
    assert {turn for *_, turn in seen} == {1, -1}
    if layer is DENSE or phase == torchcaffe.TRAIN:
        assert len({place[1:3] for place in seen}) > 5
    else:  # the middle
        assert {place[1] for place in seen} == {1}
    assert len({tuple(number for number, *_ in seen[i : i + 4]) for i in range(0, 20, 4)}) > 1


def test_dense_labels_are_resized_to_the_nearest_pixel(folder):
    net = _net(folder, DENSE, "batch_size: 1 new_height: 14 new_width: 6")
    net.forward()
    assert net.blobs["t0"].data.shape == (1, 3, 14, 6)
    columns = [0, 1, 3, 4, 6, 7]  # floor(column * 9 / 6)
    np.testing.assert_array_equal(
        net.blobs["t1"].data[0, 0], LABELS[0].repeat(2, axis=0)[:, columns]
    )


def test_what_lies_outside_an_image_is_mean_and_ignored(folder):
    fields, transform = "batch_size: 2 ignore_label: 33", "crop_size: 10 mean_value: 7 scale: 0.5"
    net = _net(folder, SEG, fields, transform, torchcaffe.TEST, tops=3)
    net.forward()
    image, label, size = (net.blobs[f"t{index}"].data for index in range(3))
    assert not image[:, :, 7:].any() and not image[:, :, :, 9:].any()
    np.testing.assert_array_equal(image[0, :, :7, :9], (_bgr(IMAGES[0]) - 7) / 2)
    assert set(label[0, 0, 7:].ravel()) == set(label[0, 0, :, 9:].ravel()) == {33}
    assert size.shape == (2, 1, 1, 2)
    np.testing.assert_array_equal(size[:, 0, 0], [[7, 9], [7, 9]])


def test_scale_factors_resize_both(folder):
    net = _net(folder, SEG, "batch_size: 1", "scale_factors: 2 crop_height: 14 crop_width: 18")
    net.forward()
    np.testing.assert_array_equal(
        net.blobs["t1"].data[0, 0], LABELS[0].repeat(2, axis=0).repeat(2, axis=1)
    )
    assert abs(net.blobs["t0"].data.mean() - IMAGES[0].mean()) < 8


def test_labels_may_be_a_class_or_missing(folder):
    _write_list(folder, [f"{folder}/0.png 5", f"{folder}/1.png 6 more"])
    net = _net(folder, SEG, "batch_size: 2 label_type: IMAGE")
    net.forward()
    assert [set(label.ravel()) for label in net.blobs["t1"].data] == [{5}, {6}]
    net = _net(folder, SEG, "batch_size: 2 label_type: NONE")
    net.forward()
    assert set(net.blobs["t1"].data.ravel()) == {255}


@pytest.mark.parametrize("layer", [DENSE, SEG])
def test_a_root_folder_goes_before_names_as_they_are(folder, layer):
    for root, line in ((folder, "/0.png /0_label.png"), (f"{folder}/", "0.png 0_label.png"),
                       (folder, "0.png 0_label.png")):  # fmt: skip
        _write_list(folder, [line])
        net = _net(folder, layer, f'batch_size: 1 root_folder: "{root}"')
        net.forward()
        np.testing.assert_array_equal(net.blobs["t1"].data[0, 0], LABELS[0])


def _colours(folder):
    Image.fromarray(IMAGES[0]).save(folder / "0_label.png")


def _palette(folder):
    image = Image.fromarray(LABELS[0]).convert("P")
    image.putpalette([0, 0, 0, 128, 0, 0])
    image.save(folder / "0_label.png")


def _smaller(folder):
    Image.fromarray(LABELS[0][:5]).save(folder / "0_label.png")


def _sizes(folder):
    Image.fromarray(IMAGES[1][:5]).save(folder / "1.png")
    Image.fromarray(LABELS[1][:5]).save(folder / "1_label.png")


def _alone(folder):
    _write_list(folder, [f"{folder}/0.png"])


def _nothing(folder):
    (folder / "0_label.png").unlink()


@pytest.mark.parametrize("layer", [DENSE, SEG])
@pytest.mark.parametrize(
    "spoil, problem",
    [
        (_colours, "has colours or a palette"),
        (_palette, "has colours or a palette"),
        (_smaller, r"has 7 x 9 pixels, but its label .*0_label.png has 5 x 9"),
        (_sizes, r"1.png has the shape \(3, 5, 9\), but its batch began with \(3, 7, 9\)"),
        (_alone, "expected (two paths|an image and the path)"),
        (_nothing, "cannot read the label"),
    ],
)
def test_wrong_pairs_are_refused_by_name(folder, layer, spoil, problem):
    spoil(folder)
    with pytest.raises(InputError, match=f'layer "it" .*{problem}'):
        _net(folder, layer, "batch_size: 2").forward()


@pytest.mark.parametrize(
    "layer, fields, transform, problem",
    [
        (DENSE, "batch_size: 1", "crop_size: 3", "set crop_height and crop_width in dense"),
        (DENSE, "batch_size: 1", "mirror: true", "set mirror in dense_image_data_param"),
        (DENSE, "batch_size: 1 new_width: 3", "", "must be set together"),
        (DENSE, "batch_size: 1 crop_width: 10 crop_height: 3", "", "fewer than crop_height"),
        (DENSE, "", "", "batch_size is 0"),
        (SEG, "batch_size: 1", 'mean_file: "x"', "takes no mean_file"),
        (SEG, "batch_size: 1", "crop_width: 3", "must be set together"),
        (SEG, "batch_size: 1", "crop_size: 3 crop_width: 3", "not both"),
        (SEG, "batch_size: 1", "scale_factors: 0", "above 0"),
        (SEG, "batch_size: 1", "mean_value: 1 mean_value: 2", "2 mean_value"),
        (SEG, "batch_size: 1 new_height: 3 new_width: 3", "", "would blend the classes"),
        (SEG, "batch_size: 1 label_type: IMAGE", "", "label_type: PIXEL if"),
    ],
)
def test_settings_that_cannot_be_are_refused(folder, layer, fields, transform, problem):
    with pytest.raises(InputError, match=f'layer "it".*{problem}'):
        _net(folder, layer, fields, transform).forward()


def test_a_run_goes_on_in_the_data(folder):
    fields, transform = "batch_size: 3 shuffle: true", "mirror: true crop_size: 4"
    torchcaffe.set_random_seed(8)
    net = _net(folder, SEG, fields, transform)
    batches = [net.forward() and net.blobs["t0"].data.copy() for _ in range(5)]
    torchcaffe.set_random_seed(8)
    net = _net(folder, SEG, fields, transform)
    net.layers[0].skip_batches(3)
    for wanted in batches[3:]:
        net.forward()
        np.testing.assert_array_equal(net.blobs["t0"].data, wanted)


def test_other_layers_do_not_take_their_fields(folder):
    text = f"""layer {{ name: "it" type: "ImageData" top: "x" top: "l" image_data_param {{
        source: "{folder}/list.txt" label_type: PIXEL }} }}"""
    with pytest.raises(InputError, match=r"label_type .* would change what is computed"):
        torchcaffe.Net(net_param=parse_text(text, pb.NetParameter), phase=torchcaffe.TRAIN)


def test_seg_accuracy_counts_pixels_classes_and_overlap():
    text = """layer { name: "x" type: "Input" top: "x" top: "l" input_param {
        shape { dim: 1 dim: 3 dim: 2 dim: 3 } shape { dim: 1 dim: 1 dim: 2 dim: 3 } } }
        layer { name: "it" type: "SegAccuracy" bottom: "x" bottom: "l" top: "y"
        seg_accuracy_param { ignore_label: 255 ignore_label: 254 %s } }"""
    found = np.array([[0, 0, 1], [1, 0, 2]])
    labels = np.array([[0, 1, 1], [0, 255, 254]])
    # Of four pixels two are right: class 0 one of two, class 1 one of two, class 2 has none.
    wanted = [2 / 4, (1 / 2 + 1 / 2) / 2, (1 / 3 + 1 / 3 + 1) / 3]
    for fields in ("", "reset: false"):
        net = torchcaffe.Net(net_param=parse_text(text % fields, pb.NetParameter), phase=1)
        net.blobs["x"].data[0] = found == np.arange(3)[:, None, None]
        net.blobs["l"].data[0, 0] = labels
        assert net.forward()["y"].shape == (1, 1, 1, 3)
        np.testing.assert_allclose(net.blobs["y"].data.ravel(), wanted, rtol=1e-6)
        net.blobs["l"].data[0, 0] = found
        net.forward()
        if not fields:
            np.testing.assert_allclose(net.blobs["y"].data.ravel(), 1)
        else:  # 8 of 10; 4 of 5, 3 of 4, 1 of 1
            right = [8 / 10, (4 / 5 + 3 / 4 + 1) / 3, (4 / 6 + 3 / 5 + 1) / 3]
            np.testing.assert_allclose(net.blobs["y"].data.ravel(), right, rtol=1e-6)
