"""What the specs of classifiers share: their deploy net, their inputs and measures, their files."""

from caffeformat import NetSpec, pb
from caffeformat import layers as L

from .blocks import IMAGENET_MEAN, train_val


def deploy(name, build, shape):
    """A classifier from images, `shape` = N x C x H x W, to probabilities, N x classes.

    build: a function of a NetSpec and the data's top that adds the layers and returns the scores.
    """
    n = NetSpec()
    n.data = L.Input(shape={"dim": list(shape)})
    n.prob = L.Softmax(build(n, n.data))
    net = n.to_proto()
    net.name = name
    return net


def files(deployed, trained, recipe, crop, batch_sizes=(256, 50)):
    """{file name: message} from the deploy net, the one with fillers, and the solver.

    Training sees mirrored random crops of `crop` x `crop` pixels; `batch_sizes` are those of TRAIN
    and TEST. The trained net ends in its scores, as the loss has a softmax of its own.
    """
    softmax, channels = trained.layer[-1], trained.layer[0].input_param.shape[0].dim[1]
    scores = [softmax.bottom[0], "label"]
    del trained.layer[-1]
    inputs = _inputs(crop, batch_sizes, IMAGENET_MEAN if channels == 3 else ())
    return {
        "train_val.prototxt": train_val(trained, inputs, _measures(scores)),
        "deploy.prototxt": deployed,
        "solver.prototxt": recipe,
    }


def _inputs(crop, batch_sizes, mean):
    made = []
    for phase, batch_size in zip((pb.TRAIN, pb.TEST), batch_sizes):
        layer = pb.LayerParameter(name="data", type="Data", top=["data", "label"])
        layer.include.add(phase=phase)
        layer.transform_param.mirror = phase == pb.TRAIN
        layer.transform_param.crop_size = crop
        layer.transform_param.mean_value.extend(mean)
        layer.data_param.batch_size = batch_size
        layer.data_param.backend = pb.DataParameter.LMDB
        made.append(layer)
    return made


def _measures(scores):
    accuracy = pb.LayerParameter(name="accuracy", type="Accuracy", bottom=scores, top=["accuracy"])
    accuracy.include.add(phase=pb.TEST)
    return [
        accuracy,
        pb.LayerParameter(name="loss", type="SoftmaxWithLoss", bottom=scores, top=["loss"]),
    ]
