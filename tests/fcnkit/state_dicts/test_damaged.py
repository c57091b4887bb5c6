"""State dicts whose tensors do not fit convert whole, or end in an error that says which."""

import functools

import numpy as np
import pytest

from caffeformat import InputError
from fcnkit.nets import net_parameters
from fcnkit.state_dicts import convert

nets = pytest.importorskip("torch_classifiers")

# name -> (network, the input's size)
FAMILIES = {
    "alexnet": (nets.AlexNet, (224, 224)),
    "vgg": (lambda: nets.VGG(False), (224, 224)),
    "vgg with BatchNorm": (lambda: nets.VGG(True), (224, 224)),
    "resnet": (nets.ResNet, (64, 64)),
    "grouped resnet": (lambda: nets.ResNet(groups=2), (64, 64)),
    "resnet of two convolutions a block": (lambda: nets.ResNet(bottleneck=False), (64, 64)),
    "fcn": (nets.FCN, (64, 64)),
    "squeezenet": (lambda: nets.SqueezeNet("1.0"), (64, 64)),
    "googlenet": (nets.GoogLeNet, (64, 64)),
}


@functools.lru_cache(None)
def family(name):
    make, size = FAMILIES[name]
    model = nets.randomize(make())
    return {key: tensor.numpy() for key, tensor in model.state_dict().items()}, size


def refusal(name, **changes):
    """The message of a family whose tensors are changed; None leaves a tensor out."""
    tensors, size = family(name)
    tensors = {**tensors, **changes}
    with pytest.raises(InputError) as caught:
        convert({key: value for key, value in tensors.items() if value is not None}, size)
    return str(caught.value)


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    "name, tensor, value, told",
    [
        ("resnet", "layer1.0.conv2.weight", zeros(4, 3, 3, 3), "(4, 3, 3, 3)"),
        ("resnet", "layer1.0.conv1.weight", zeros(4, 0, 1, 1), "x 4 x kernel x kernel, for 4"),
        ("resnet", "layer1.0.conv1.weight", zeros(4, 4, 3), "(4, 4, 3)"),
        ("resnet", "layer1.0.conv1.weight", zeros(4, 4, 3, 1), "(4, 4, 3, 1)"),
        ("resnet", "layer1.0.conv1.weight", zeros(4, 4, 2, 2), "odd kernel"),
        ("resnet", "conv1.weight", zeros(4, 1, 7, 7), "outputs x 3 x kernel x kernel, for 3"),
        ("resnet", "conv1.weight", np.float32(1), "()"),
        ("resnet", "bn1.running_mean", zeros(5), "(5,), expected 4, one per channel"),
        ("resnet", "bn1.running_var", zeros(3), "(3,), expected 4"),
        ("resnet", "bn1.running_var", zeros(4) - 1, "value -1, expected 0 or more"),
        ("resnet", "bn1.weight", zeros(1), "(1,), expected 4"),
        ("resnet", "bn1.bias", zeros(4, 1), "(4, 1), expected 4"),
        ("resnet", "bn1.bias", None, "no 'bn1.bias'"),
        ("resnet", "fc.weight", zeros(5, 63), "(5, 63), expected outputs x 128"),
        ("resnet", "fc.weight", zeros(5), "(5,), expected outputs x 128"),
        ("resnet", "fc.bias", zeros(4), "(4,), expected 5, one per output"),
        ("resnet", "fc.bias", zeros(5, dtype=np.int64), "type int64, expected floating-point"),
        ("resnet", "fc.weight", zeros(5, 128, dtype=np.int8), "quantized"),
        ("resnet", "fc.bias", zeros(5) + np.nan, "not finite float32"),
        ("resnet", "fc.bias", np.full(5, 1e300), "not finite float32"),
        ("resnet", "layer2.0.downsample.0.weight", zeros(30, 16, 1, 1), "(32,), expected 30"),
        ("alexnet", "features.0.bias", zeros(7), "(7,), expected 6"),
        ("alexnet", "features.3.weight", zeros(8, 6, 5), "(8, 6, 5), expected outputs x channels"),
        ("alexnet", "classifier.1.weight", zeros(12, 280), "for 280 values: expected 8"),
        ("alexnet", "classifier.4.weight", zeros(11, 13), "expected outputs x 12"),
        ("vgg with BatchNorm", "features.1.weight", np.float32(1), "features.1.weight has the"),
        ("vgg", "classifier.0.weight", np.float32(1), "classifier.0.weight has the shape ()"),
        ("squeezenet", "classifier.1.weight", zeros(5, 7, 1, 1), "expected outputs x 8"),
        ("googlenet", "inception3a.branch2.1.conv.weight", zeros(4, 2, 3, 3), "outputs x 3"),
        ("googlenet", "fc.weight", zeros(5, 11), "expected outputs x 12"),
        ("grouped resnet", "layer1.0.conv2.weight", zeros(3, 2, 3, 3), "into groups"),
    ],
)  # fmt: skip
def test_a_tensor_that_does_not_fit_is_named(name, tensor, value, told):
    message = refusal(name, **{tensor: value})
    assert told in message
    assert tensor in message or tensor.partition(".downsample")[0] in message


def test_a_shortcut_of_another_width_is_named():
    changes = {"layer2.0.downsample.0.weight": zeros(30, 16, 1, 1)}
    for part in ("weight", "bias", "running_mean", "running_var"):
        changes[f"layer2.0.downsample.1.{part}"] = zeros(30)
    message = refusal("resnet", **changes)
    assert "layer2.0.conv3.weight has 32 outputs: expected 30, to which they are added" in message


def test_a_file_without_convolutions_is_refused():
    with pytest.raises(InputError, match="no convolutions"):
        convert({"classifier.1.weight": zeros(4, 108)})


def test_two_names_of_one_tensor_are_refused():
    assert "bn1.gamma and bn1.weight are two names" in refusal("resnet", **{"bn1.gamma": zeros(4)})


def test_a_size_too_small_for_the_net_is_refused():
    with pytest.raises(InputError):
        convert(family("squeezenet")[0], (4, 4))


@pytest.mark.parametrize("mean", [(0.5, 0.5), (0.5, 0.5, np.nan), (0.5,) * 4])
def test_a_mean_is_three_numbers(mean):
    with pytest.raises(InputError, match="mean: expected three numbers"):
        convert(*family("resnet"), mean=mean)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_floating_point_of_any_width_converts(dtype):
    tensors, size = family("resnet")
    made = convert({name: tensor.astype(dtype) for name, tensor in tensors.items()}, size)
    assert {blob.dtype for blobs in made.weights.values() for blob in blobs} == {np.dtype("f4")}
    np.testing.assert_allclose(made.weights["fc1000"][0], tensors["fc.weight"], rtol=1e-3)


@pytest.mark.parametrize("stage", [1, 2, 4])
def test_any_stage_may_have_more_blocks_than_the_alphabets_first_letters(stage):
    depths = [1, 1, 1, 1]
    depths[stage - 1] = 10
    model = nets.ResNet(tuple(depths), bottleneck=False)
    made = convert({name: tensor.numpy() for name, tensor in model.state_dict().items()}, (64, 64))
    names = [layer.name for layer in made.net.layer]
    assert f"res{stage + 1}b9" in names and len(set(names)) == len(names)


NAMES = ("", "conv1.weight", "fc.weight", "features.0.weight", "features.7.weight", "x" * 300)
TYPES = ("f2", "f8", "i1", "i8", "?", "c8")


def mutated(tensors, random):
    """`tensors` with one to three of them changed, and what was done."""
    tensors, done = dict(tensors), []
    for _ in range(random.randint(1, 4)):
        names = list(tensors)
        name = names[random.randint(len(names))]
        change = CHANGES[random.randint(len(CHANGES))]
        change(tensors, name, random)
        done.append(f"{change.__name__} {name}")
    return tensors, done


def drop(tensors, name, random):
    del tensors[name]


def rename(tensors, name, random):
    new = [*NAMES, name + ".x", name.replace("0", "9"), name.replace("weight", "bias")]
    tensors[new[random.randint(len(new))]] = tensors.pop(name)


def add(tensors, name, random):
    other = name.replace("1", "12").replace("0", "10")
    tensors[other] = tensors[name]


def swap(tensors, name, random):
    names = list(tensors)
    other = names[random.randint(len(names))]
    tensors[name], tensors[other] = tensors[other], tensors[name]


def resize(tensors, name, random):
    shape = list(tensors[name].shape)
    if shape:
        axis = random.randint(len(shape))
        shape[axis] = [0, 1, shape[axis] // 2, shape[axis] + 1, shape[axis] * 2][random.randint(5)]
    tensors[name] = np.resize(tensors[name], shape)


def reshape(tensors, name, random):
    tensor = tensors[name]
    forms = [tensor.ravel(), tensor[None], tensor.T, np.float32(0), tensor.reshape(1, -1)]
    forms.append(tensor.reshape(*tensor.shape, 1, 1))
    tensors[name] = forms[random.randint(len(forms))]


def retype(tensors, name, random):
    if tensors[name].dtype.kind == "f":
        with np.errstate(all="ignore"):
            tensors[name] = tensors[name].astype(TYPES[random.randint(len(TYPES))])


def spoil(tensors, name, random):
    if tensors[name].dtype.kind == "f" and tensors[name].size:
        tensors[name] = np.array(tensors[name])
        tensors[name].flat[0] = [np.nan, np.inf, -np.inf, -1][random.randint(4)]


CHANGES = (drop, rename, add, swap, resize, resize, reshape, retype, spoil)


@pytest.mark.parametrize("cases", [40, pytest.param(600, marks=pytest.mark.slow)])
def test_changed_state_dicts_convert_whole_or_end_in_our_error(cases):
    outcomes = {"converted": 0, "refused": 0}
    for case in range(cases):
        random = np.random.RandomState(case)
        name = list(FAMILIES)[case % len(FAMILIES)]
        tensors, size = family(name)
        tensors, done = mutated(tensors, random)
        try:
            made = convert(tensors, size, fold=case % 4 == 0)
        except InputError:
            outcomes["refused"] += 1
            continue
        except Exception as error:
            raise AssertionError(f"case {case}, {name}: {', '.join(done)}") from error
        outcomes["converted"] += 1
        wanted = {
            layer.name: [blob.shape for blob in blobs] for layer, blobs in net_parameters(made.net)
        }
        found = {layer: [blob.shape for blob in blobs] for layer, blobs in made.weights.items()}
        assert found == wanted, (case, name, done)
    # Neither a fuzzer that destroys everything nor one that changes nothing.
    assert min(outcomes.values()) > cases / 20, outcomes
