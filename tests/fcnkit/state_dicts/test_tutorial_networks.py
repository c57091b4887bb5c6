"""GluonCV's and MindSpore's segmentation networks: files of their formats and names, converted."""

import numpy as np
import pytest
from state_dict_files import mindspore_bytes, mxnet_bytes

from caffeformat import InputError, infer_shapes, read_caffemodel, read_net
from fcnkit import zoo
from fcnkit.commands import main
from fcnkit.images import Preprocessor, parse_mean
from fcnkit.state_dicts import convert, read_state_dict
from fcnkit.surgery import check_fit

torch = pytest.importorskip("torch")
torchcaffe = pytest.importorskip("torchcaffe")
tutorials = pytest.importorskip("tutorial_networks")
torch_classifiers = pytest.importorskip("torch_classifiers")
randomize = torch_classifiers.randomize

# As the tutorials write them: GluonCV's of RGB from 0 to 1, MindSpore's of BGR from 0 to 255.
GLUON = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MINDSPORE = (103.53, 116.28, 123.675), (57.375, 57.120, 58.395)


def image(size):
    return np.random.RandomState(3).randint(0, 256, (*size, 3)).astype(np.uint8)


def tutorial_scores(model, rgb, framework, forward=None):
    """What `model` computes for an image that the tutorial's own code has prepared."""
    pixels = rgb.astype(np.float64) / 255 if framework == "gluon" else rgb[:, :, ::-1]
    mean, std = GLUON if framework == "gluon" else MINDSPORE
    data = torch.tensor(((pixels - mean) / std).transpose(2, 0, 1)[None], dtype=torch.float32)
    with torch.no_grad():
        return (forward or model)(data).numpy()


def caffe_scores(net, weights, mean, rgb, scale=1.0):
    caffe_net = torchcaffe.Net(net_param=net, phase=torchcaffe.TEST)
    for layer, blobs in weights.items():
        assert len(blobs) == len(caffe_net.params[layer])
        for index, blob in enumerate(blobs):
            caffe_net.params[layer][index].data[...] = blob
    caffe_net.blobs["data"].data[...] = Preprocessor(mean, scale)(rgb)
    (output,) = caffe_net.forward().values()
    return output


def assert_close(found, wanted):
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()
    assert np.ptp(wanted) > 1e-3 * np.abs(wanted).max()


def file_of(model, framework, path, **extra):
    named = {**tutorials.tensors(model, framework), **extra}
    if framework == "gluon":
        path.write_bytes(mxnet_bytes(named, prefix=""))
    else:
        path.write_bytes(mindspore_bytes(named))
    return read_state_dict(path)


CASES = {
    "fcn_resnet50_voc": (tutorials.GluonFCN, "gluon", (61, 75)),
    "fcn_resnet101_voc": (lambda: tutorials.GluonFCN((1, 2, 9, 1)), "gluon", (64, 48)),
    "fcn_resnet101_coco of another number of classes": (
        lambda: tutorials.GluonFCN(classes=9), "gluon", (50, 50),
    ),
    "fcn_resnet50_voc of gluoncv 0.2": (
        lambda: tutorials.GluonFCN(v1b=True), "gluon", (70, 64),
    ),
    "psp_resnet101_voc": (tutorials.GluonPSPNet, "gluon", (96, 48)),
    "FCN8s": (tutorials.MindSporeFCN8s, "mindspore", (96, 64)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("fold", [False, True])
def test_scores_are_the_tutorials_for_a_raw_image(case, fold, tmp_path):
    make, framework, size = CASES[case]
    model, rgb = randomize(make()), image(size)
    made = convert(file_of(model, framework, tmp_path / "weights"), size, fold=fold)
    wanted = tutorial_scores(model, rgb, framework)
    assert_close(caffe_scores(made.net, made.weights, made.mean, rgb), wanted)
    assert all(name.startswith("auxlayer.") for name in made.left_out)
    assert bool(made.left_out) == (framework == "gluon")


def save_params_names(model, named, variant):
    """The names of Gluon's older `save_params`, from how it counts layers within a scope."""
    deep = ["conv1.0", "conv1.1", "conv1.3", "conv1.4", "conv1.6", "bn1"]
    stem = {"b": ["conv1", "bn1"], "s": deep}
    found, trunk = {}, f"resnetv1{variant}0_"
    for name, tensor in named.items():
        module, part = name.rsplit(".", 1)
        kind = "conv" if tensor.ndim == 4 or part == "bias" else "batchnorm"
        if module in stem[variant]:
            scope, number = trunk, stem[variant].index(module) // 2
        elif module.startswith("layer"):
            stage, block, *rest = module[5:].split(".")
            number = 0 if rest[0] == "downsample" else 3 * int(block) + int(rest[0][-1]) - 1
            scope = f"{trunk}{'down' if rest[0] == 'downsample' else 'layers'}{stage}_"
        elif ".psp." in module:
            scope = f"_pyramidpooling0_hybridsequential{int(module.split('.')[2][-1]) - 1}_"
            number = 0
        else:
            is_main = module.startswith("head")
            scope = f"_fcnhead{0 if is_main else 1}_hybridsequential0_"
            if isinstance(model, tutorials.GluonPSPNet):
                scope = "_psphead0_" if is_main else "_fcnhead0_hybridsequential0_"
            number = int(module.endswith(".4"))
        found[f"{scope}{kind}{number}_{part}"] = tensor
    assert len(found) == len(named)
    return found


@pytest.mark.parametrize(
    "make, variant",
    [
        (lambda: tutorials.GluonFCN(v1b=True), "b"),
        (tutorials.GluonFCN, "s"),
        (tutorials.GluonPSPNet, "s"),
    ],
)
def test_the_names_of_gluons_older_files_are_known(make, variant, tmp_path):
    model = randomize(make())
    named = tutorials.tensors(model, "gluon")
    older = save_params_names(model, named, variant)
    (tmp_path / "older.params").write_bytes(mxnet_bytes(older, prefix=""))
    made = convert(read_state_dict(tmp_path / "older.params"), (96, 48))
    wanted = convert(named, (96, 48))
    assert made.net == wanted.net and list(made.weights) == list(wanted.weights)
    for layer, blobs in wanted.weights.items():
        for ours, blob in zip(made.weights[layer], blobs):
            np.testing.assert_array_equal(ours, blob)


def test_the_pretrained_part_of_an_fcn8s_ends_where_its_weights_end(tmp_path):
    model, rgb = randomize(tutorials.MindSporeFCN8s()), image((64, 96))
    named = file_of(model, "mindspore", tmp_path / "fcn8s_vgg16_pretrain.ckpt")
    trunk = {name: tensor for name, tensor in named.items() if name[:5] in
             ("conv1", "conv2", "conv3", "conv4", "conv5")}  # fmt: skip
    made = convert(trunk, (64, 96))
    pool5 = tutorial_scores(model, rgb, "mindspore", lambda data: model.trunk(data)[-1])
    assert_close(caffe_scores(made.net, made.weights, made.mean, rgb), pool5)
    assert made.net.layer[-1].name == "pool5"
    both = {name: tensor for name, tensor in named.items() if "score" not in name}
    assert convert(both, (64, 96)).net.layer[-1].name == "relu7"


def test_converted_weights_fit_the_zoos_fcn8s():
    net = zoo.spec("fcn8s_vgg16_bn").deploy()
    widths = {"fc6": 4096, "fc7": 4096}
    model = tutorials.MindSporeFCN8s(classes=21)
    full = {}
    shapes = infer_shapes(net)
    channels = {f"conv{stage}": shapes[f"conv{stage}_1"][1] for stage in range(1, 6)}
    channels.update(conv6=widths["fc6"], conv7=widths["fc7"])
    inputs = 3
    for name, tensor in tutorials.tensors(model, "mindspore").items():
        shape, stage = list(tensor.shape), name.split(".")[0]
        if stage in channels:
            shape[0] = channels[stage]
            if tensor.ndim == 4:
                shape[1], inputs = inputs, shape[0]
        elif tensor.ndim == 4 and not stage.startswith("up"):
            shape[1] = {"score_fr": 4096, "score_pool4": 512, "score_pool3": 256}[stage]
        full[name] = np.broadcast_to(np.float32(0.5), shape)
    made = convert(full, (512, 512))
    check_fit(made.weights, net, "FCN8s.ckpt", "the zoo's")
    assert [
        (layer.name, layer.type, list(layer.bottom), list(layer.top)) for layer in net.layer
    ] == [(layer.name, layer.type, list(layer.bottom), list(layer.top)) for layer in made.net.layer]
    assert infer_shapes(made.net) == shapes


def test_the_zoos_input_scale_is_taken_out_of_the_weights():
    model, rgb = randomize(tutorials.MindSporeFCN8s()), image((64, 64))
    made = convert(tutorials.tensors(model, "mindspore"), (64, 64), scale=0.01735)
    found = caffe_scores(made.net, made.weights, made.mean, rgb, made.scale)
    assert_close(found, tutorial_scores(model, rgb, "mindspore"))
    with pytest.raises(InputError, match="scale: expected a number above 0"):
        convert(tutorials.tensors(model, "mindspore"), (64, 64), scale=0)


def test_the_command_takes_a_training_checkpoint(tmp_path, capsys):
    model, rgb = randomize(tutorials.MindSporeFCN8s()), image((64, 64))
    path, out = tmp_path / "FCN8s.ckpt", tmp_path / "out"
    states = {
        f"moments.{name}": tensor
        for name, tensor in tutorials.tensors(model, "mindspore").items()
        if "moving" not in name
    }
    states["learning_rate"] = states["epoch_num"] = np.float32([3])
    file_of(model, "mindspore", path, **states)
    command = ["convert_weights", str(path), str(out), "--size", "64", "--input-scale", "0.5"]
    assert main.main(command) == 0
    told = capsys.readouterr().out
    assert "MindSpore's FCN-8s" in told and "103.53,116.28,123.675, then times 0.5" in told
    assert "only needed for training" in told
    net, weights = read_net(out / "deploy.prototxt"), read_caffemodel(out / "FCN8s.caffemodel")
    found = caffe_scores(net, weights, parse_mean(str(out / "mean.txt")), rgb, 0.5)
    assert_close(found, tutorial_scores(model, rgb, "mindspore"))


def test_the_input_has_the_size_of_the_tutorials_crops():
    sizes = {
        convert(tutorials.tensors(make(), framework)).net.layer[0].input_param.shape[0].dim[2]
        for make, framework in (
            (tutorials.GluonFCN, "gluon"),
            (tutorials.GluonPSPNet, "gluon"),
            (tutorials.MindSporeFCN8s, "mindspore"),
        )
    }
    assert sizes == {480, 512}


def changed(framework, make, **renamed):
    """The tensors of a network, some under other names, or gone where that is None."""
    found = {}
    for name, tensor in tutorials.tensors(make(), framework).items():
        name = renamed.get(name.replace(".", "_"), name)
        if name is not None:
            found[name] = tensor
    return found


@pytest.mark.parametrize(
    "framework, make, renamed, message",
    [
        (
            "gluon", tutorials.GluonFCN, {"head_block_4_bias": "head.aspp.0.bias"},
            r"not GluonCV's FCN or PSPNet: it has 1 tensors such as head\.aspp\.0\.bias; expected",
        ),
        (
            "gluon", tutorials.GluonFCN, {"layer3_1_bn2_running_var": None},
            r"no 'layer3\.1\.bn2\.running_var', which its other tensors require",
        ),
        (
            "gluon", tutorials.GluonFCN, {"head_block_0_weight": None},
            r"no 'head\.block\.0\.weight'",
        ),
        (
            "gluon", tutorials.GluonPSPNet, {"head_psp_conv4_0_weight": None},
            r"no 'head\.psp\.conv4\.0\.weight'",
        ),
        (
            "gluon", tutorials.GluonFCN, {"conv1_6_weight": None}, r"no 'conv1\.6\.weight'",
        ),
        (
            "mindspore", tutorials.MindSporeFCN8s, {"conv5_7_moving_mean": None},
            r"no 'conv5\.7\.moving_mean', which .* it has conv1\.0\.weight, conv1\.1\.gamma",
        ),
        (
            "mindspore", tutorials.MindSporeFCN8s, {"conv3_4_gamma": None},
            r"no 'conv3\.4\.gamma'",
        ),
        (
            "gluon", tutorials.GluonPSPNet, {"head_psp_conv2_1_beta": None},
            r"no 'head\.psp\.conv2\.1\.beta'",
        ),
        (
            "mindspore", tutorials.MindSporeFCN8s, {"upscore8_weight": None},
            r"no 'upscore8\.weight'",
        ),
        (
            "mindspore", tutorials.MindSporeFCN8s, {"conv6_0_weight": None},
            r"no 'conv6\.0\.weight'",
        ),
        (
            "mindspore", tutorials.MindSporeFCN8s, {"score_fr_weight": "score.weight"},
            r"no 'score_fr\.weight'",
        ),
        (
            "mindspore", tutorials.MindSporeFCN8s, {"conv2_3_weight": "conv2.6.weight"},
            r"no 'conv2\.3\.weight'",
        ),
    ],
)  # fmt: skip
def test_files_that_match_by_half_are_refused(framework, make, renamed, message):
    with pytest.raises(InputError, match=message):
        convert(changed(framework, make, **renamed), (96, 96))


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(InputError, match=r"80 x 64.*multiples of 32"):
        convert(tutorials.tensors(tutorials.MindSporeFCN8s(), "mindspore"), (80, 64))
    with pytest.raises(InputError, match="features of 8 x 8, which the network averages to 3 x 3"):
        convert(tutorials.tensors(tutorials.GluonPSPNet(), "gluon"), (64, 64))


def test_dilated_networks_on_blocks_of_two_convolutions_are_refused():
    classifier = torch_classifiers.ResNet(bottleneck=False)
    named = {f"backbone.{name}": t.numpy() for name, t in classifier.state_dict().items()}
    with pytest.raises(InputError, match=r"layer3\.1 has two convolutions.*expected three"):
        convert(named, (64, 64))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, make, framework, size",
    [
        ("fcn_resnet101", lambda: tutorials.GluonFCN((3, 4, 23, 3), 21), "gluon", (97, 120)),
        ("psp_resnet101", lambda: tutorials.GluonPSPNet((3, 4, 23, 3), 21), "gluon", (96, 144)),
    ],
)
def test_networks_of_the_published_depth(name, make, framework, size, tmp_path):
    model, rgb = randomize(make()), image(size)
    made = convert(file_of(model, framework, tmp_path / f"{name}_voc.params"), size)
    wanted = tutorial_scores(model, rgb, framework)
    assert_close(caffe_scores(made.net, made.weights, made.mean, rgb), wanted)
