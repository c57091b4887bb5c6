"""Converted classifiers compute what the originals compute, from the raw image on."""

import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError, pb, read_caffemodel, read_net
from fcnkit.commands import main
from fcnkit.images import Preprocessor, parse_mean, read_label
from fcnkit.state_dicts import convert, network_name

torch = pytest.importorskip("torch")
torchcaffe = pytest.importorskip("torchcaffe")
nets = pytest.importorskip("torch_classifiers")

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def image(size):
    return np.random.RandomState(3).randint(0, 256, (*size, 3)).astype(np.uint8)


def original_scores(model, rgb):
    pixels = torch.from_numpy(rgb.transpose(2, 0, 1)[None].astype(np.float32)) / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    with torch.no_grad():
        return model((pixels - mean) / std).numpy()


def scores(net, weights, mean, rgb):
    caffe_net = torchcaffe.Net(net_param=net, phase=torchcaffe.TEST)
    for layer, blobs in weights.items():
        for index, blob in enumerate(blobs):
            caffe_net.params[layer][index].data[...] = blob
    caffe_net.blobs["data"].data[...] = Preprocessor(mean)(rgb)
    (output,) = caffe_net.forward().values()
    # Some classifiers end in a pooling, with two more axes of 1.
    return output.reshape(len(output), -1) if output.shape[2:] == (1, 1) else output


def arrays(model):
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def assert_close(found, wanted):
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()
    assert np.ptp(wanted) > 1e-3 * np.abs(wanted).max()


# Sizes at which rounding up and rounding down differ in some pooling.
CASES = {
    "alexnet": (nets.AlexNet, (224, 224)),
    "alexnet whose features are averaged": (nets.AlexNet, (415, 223)),
    "vgg": (lambda: nets.VGG(False), (230, 224)),
    "vgg with BatchNorm": (lambda: nets.VGG(True), (224, 255)),
    "resnet of two convolutions a block": (lambda: nets.ResNet(bottleneck=False), (75, 98)),
    "resnet of three": (nets.ResNet, (98, 75)),
    "grouped resnet": (lambda: nets.ResNet(groups=2), (64, 64)),
    "resnet with numbered blocks": (lambda: nets.ResNet((1, 2, 9, 1)), (64, 70)),
    "squeezenet 1.0": (lambda: nets.SqueezeNet("1.0"), (90, 101)),
    "squeezenet 1.1": (lambda: nets.SqueezeNet("1.1"), (101, 90)),
    "googlenet": (nets.GoogLeNet, (75, 90)),
}


@pytest.mark.parametrize("case", CASES)
def test_scores_are_the_originals_for_a_raw_image(case):
    make, size = CASES[case]
    model, rgb = nets.randomize(make()), image(size)
    made = convert(arrays(model), size)
    assert_close(scores(made.net, made.weights, made.mean, rgb), original_scores(model, rgb))


def test_a_converted_fcn_gives_every_pixel_the_originals_class():
    model, rgb = nets.randomize(nets.FCN()), image((64, 88))
    made = convert(arrays(model), (64, 88))
    found, wanted = scores(made.net, made.weights, made.mean, rgb), original_scores(model, rgb)
    assert len(np.unique(wanted.argmax(1))) > 2
    np.testing.assert_array_equal(found.argmax(1), wanted.argmax(1))
    # At the border all classes' scores shrink by the same factor.
    assert_close(found[:, :, 4:-4, 4:-4], wanted[:, :, 4:-4, 4:-4])
    assert made.left_out and all(name.startswith("aux_classifier") for name in made.left_out)
    with pytest.raises(InputError, match="multiples of 8"):
        convert(arrays(model), (64, 90))


def test_folded_batch_norm_changes_nothing_but_the_layers():
    model, rgb = nets.randomize(nets.ResNet()), image((64, 64))
    made = convert(arrays(model), (64, 64), fold=True)
    assert not {"BatchNorm", "Scale"} & {layer.type for layer in made.net.layer}
    assert_close(scores(made.net, made.weights, made.mean, rgb), original_scores(model, rgb))


def test_another_preprocessing_can_be_named():
    model, rgb = nets.randomize(nets.ResNet()), image((64, 64))
    mean, std = (0.5, 0.4, 0.3), (0.5, 0.25, 0.2)
    made = convert(arrays(model), (64, 64), mean, std)
    pixels = torch.from_numpy(rgb.transpose(2, 0, 1)[None].astype(np.float32)) / 255
    middle, width = (torch.tensor(values)[:, None, None] for values in (mean, std))
    with torch.no_grad():
        wanted = model((pixels - middle) / width).numpy()
    np.testing.assert_allclose(made.mean, [76.5, 102, 127.5], rtol=1e-6)
    assert_close(scores(made.net, made.weights, made.mean, rgb), wanted)


def test_layers_have_the_public_names():
    names = {layer.name for layer in convert(arrays(nets.ResNet()), (64, 64)).net.layer}
    assert {"res2a_branch1", "bn2a_branch2c", "scale5a_branch2b", "pool5", "fc1000"} <= names
    names = {layer.name for layer in convert(arrays(nets.VGG(True))).net.layer}
    assert {"conv1_1", "bn1_2", "relu5_2", "pool5", "fc6", "drop7", "fc8"} <= names


def test_timms_vgg_is_the_same_network():
    model, rgb = nets.randomize(nets.VGG(False)), image((224, 224))
    tensors = {}
    for name, tensor in arrays(model).items():
        for index, (timm, kernel) in {
            "0": ("pre_logits.fc1", 7), "3": ("pre_logits.fc2", 1), "6": ("head.fc", None),
        }.items():  # fmt: skip
            if name == f"classifier.{index}.weight" and kernel:
                tensor = tensor.reshape(len(tensor), -1, kernel, kernel)
            name = name.replace(f"classifier.{index}", timm)
        tensors[name] = tensor
    made = convert(tensors)
    assert_close(scores(made.net, made.weights, made.mean, rgb), original_scores(model, rgb))


def test_names_of_mindspore_and_of_parallel_training_are_understood():
    tensors = arrays(nets.randomize(nets.ResNet()))
    other = {}
    for name, tensor in tensors.items():
        name = name.replace("bn1.weight", "bn1.gamma").replace("running_var", "moving_variance")
        other[f"module.{name}"] = tensor
    assert any("gamma" in name for name in other)
    made, wanted = convert(other, (64, 64)), convert(tensors, (64, 64))
    np.testing.assert_array_equal(made.weights["bn_conv1"][1], wanted.weights["bn_conv1"][1])
    np.testing.assert_array_equal(made.weights["scale_conv1"][0], wanted.weights["scale_conv1"][0])


def test_what_is_no_known_classifier_is_refused():
    tensors = arrays(nets.ResNet())
    with pytest.raises(InputError, match=r"unknown network.*stem\.weight"):
        convert({"stem.weight": tensors["conv1.weight"]})
    with pytest.raises(
        InputError, match=r"not the known ResNet: it has no place for 1 of.*layer1\.0\.se\.weight"
    ):
        convert({**tensors, "layer1.0.se.weight": tensors["conv1.weight"]}, (64, 64))
    del tensors["layer2.0.bn2.running_mean"]
    with pytest.raises(InputError, match=r"no 'layer2\.0\.bn2\.running_mean'"):
        convert(tensors, (64, 64))


def test_a_size_whose_features_cannot_be_averaged_is_refused():
    with pytest.raises(
        InputError, match=r"features of 7 x 6.*averages to 6 x 6.*choose an input size"
    ):
        convert(arrays(nets.AlexNet()), (255, 224))


@pytest.mark.parametrize("size, layer", [((30, 30), "pool2"), ((3, 3), "conv1")])
def test_an_input_that_is_too_small_is_refused(size, layer):
    with pytest.raises(InputError, match=rf'"{layer}".*choose an input larger than {size[0]} x'):
        convert(arrays(nets.AlexNet()), size)


@pytest.mark.slow
def test_the_command_writes_net_weights_and_mean(tmp_path, capsys):
    model, rgb = nets.randomize(nets.GoogLeNet()), image((64, 64))
    path, out = tmp_path / "googlenet-1378be20.pth", tmp_path / "out"
    torch.save(model.state_dict(), path)
    command = ["convert_weights", str(path), str(out), "--size", "64"]
    assert main.main(command) == 0
    told = capsys.readouterr().out
    assert "GoogLeNet" in told and "mean 127.5,127.5,127.5" in told and "aux1.0.conv" in told
    net = read_net(out / "deploy.prototxt")
    weights = read_caffemodel(out / "googlenet.caffemodel")
    assert weights.types["pool5/drop"] == "Dropout" and net.name == "googlenet"
    mean = parse_mean(str(out / "mean.txt"))
    assert_close(scores(net, weights, mean, rgb), original_scores(model, rgb))
    assert main.main(command) == 1
    assert "already holds" in capsys.readouterr().err
    assert main.main([*command, "--force"]) == 0


@pytest.mark.slow
def test_a_converted_fcn_segments_images_of_any_size(tmp_path):
    model, rgb = nets.randomize(nets.FCN()), image((61, 75))
    torch.save(model.state_dict(), tmp_path / "fcn.pth")
    Image.fromarray(rgb).save(tmp_path / "photo.png")
    out, masks = tmp_path / "fcn", tmp_path / "masks"
    assert main.main(["convert_weights", str(tmp_path / "fcn.pth"), str(out)]) == 0
    command = ["infer", str(tmp_path / "photo.png"), "--output", str(masks), "--mean"]
    command += [str(out / "mean.txt"), "--net", str(out / "deploy.prototxt"), "--weights"]
    assert main.main([*command, str(out / "fcn.caffemodel")]) == 0
    found = read_label(next(masks.glob("*photo*.png")))
    wanted = original_scores(model, rgb).argmax(1)[0]
    # The original squeezes 8 x 10 scores into 61 x 75 pixels, the net cuts 64 x 80 off.
    assert (found == wanted).mean() > 0.8


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path, capsys):
    torch.save(nets.ResNet().state_dict(), tmp_path / "a.pth")
    out = str(tmp_path / "out")
    assert main.main(["convert_weights", str(tmp_path / "a.pth"), out, "--name", "../a"]) == 1
    assert "--name" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["0", "64x", "x64", "64x64x64", "100000", "9" * 5000, "-64", "²"])
def test_a_size_that_is_none_is_refused(tmp_path, capsys, size):
    with pytest.raises(SystemExit):
        main.main(["convert_weights", "a.pth", str(tmp_path), "--size", size])
    assert "expected HEIGHTxWIDTH" in capsys.readouterr().err


@pytest.mark.parametrize(
    "file, name",
    [
        ("a/resnet50-0676ba61.pth", "resnet50"),
        ("vgg16.tv_in1k.safetensors", "vgg16.tv_in1k"),
        ("b.ptl/vgg.part2.pth.tar", "vgg.part2"),
    ],
)
def test_the_name_comes_from_the_file(file, name):
    assert network_name(file) == name


@pytest.fixture(scope="module")
def torchvision():
    """The package, for its networks alone: none of them needs the operators that it compiles."""
    try:
        import torchvision
    except ModuleNotFoundError:
        pytest.skip("torchvision is not installed: make test-full installs it")
    except RuntimeError:  # its operators go with another build of PyTorch than this one
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor d, Tensor s, float t) -> Tensor")
        import torchvision
    return torchvision


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fcn_resnet50", "fcn_resnet101"])
def test_torchvisions_own_fcns(name, torchvision):
    models = torchvision.models.segmentation
    model = nets.randomize(getattr(models, name)(weights=None, weights_backbone=None))
    made, rgb = convert(arrays(model), (96, 120)), image((96, 120))
    found = scores(made.net, made.weights, made.mean, rgb)
    wanted = original_scores(lambda pixels: model(pixels)["out"], rgb)
    np.testing.assert_array_equal(found.argmax(1), wanted.argmax(1))
    assert_close(found[:, :, 4:-4, 4:-4], wanted[:, :, 4:-4, 4:-4])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, size",
    [
        ("alexnet", 224), ("vgg16", 224), ("vgg16_bn", 224), ("googlenet", 224), ("resnet50", 224),
        ("resnet101", 113), ("squeezenet1_0", 224), ("squeezenet1_1", 224),
    ],
)  # fmt: skip
def test_torchvisions_own_networks(name, size, torchvision):
    settings = {"transform_input": True, "init_weights": False} if name == "googlenet" else {}
    model = nets.randomize(getattr(torchvision.models, name)(weights=None, **settings))
    made, rgb = convert(arrays(model), (size, size)), image((size, size))
    assert made.net.layer[0].type == "Input" and isinstance(made.net, pb.NetParameter)
    assert_close(scores(made.net, made.weights, made.mean, rgb), original_scores(model, rgb))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn", "resnet50"])
def test_timms_own_networks(name, torchvision):
    timm = pytest.importorskip("timm", reason="make test-full installs it")
    model = nets.randomize(timm.create_model(name, pretrained=False))
    made, rgb = convert(arrays(model), (224, 224)), image((224, 224))
    assert_close(scores(made.net, made.weights, made.mean, rgb), original_scores(model, rgb))
