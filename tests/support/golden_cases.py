"""Single layers in BVLC Caffe 1.0, as nets that other forms of a net can be compared with."""

import functools
import operator

import numpy as np
from places import GOLDEN

from caffeformat import Weights, filter_net, parse_text, pb

LAYERS = GOLDEN / "layers"

# Types that an exported net may have, with golden cases.
DEPLOYABLE = {
    "AbsVal", "ArgMax", "BNLL", "BatchNorm", "Bias", "Clip", "Concat", "Convolution", "Crop",
    "Deconvolution", "ELU", "Eltwise", "Embed", "Exp", "Flatten", "InnerProduct", "LRN", "Log",
    "MVN", "PReLU", "Pooling", "Power", "ReLU", "Reduction", "Reshape", "Scale", "Sigmoid",
    "Slice", "Softmax", "Swish", "TanH", "Threshold", "Tile",
}  # fmt: skip


class Case:
    """One case: `name`, `net` (filtered NetParameter), and arrays that are read when asked for."""

    def __init__(self, path):
        self._path = path
        self.name = path.stem
        with np.load(path) as case:
            message = parse_text(str(case["prototxt"]), pb.NetParameter)
            phase = int(case["phase"])
        self.is_test = phase == pb.TEST
        self.net = filter_net(message, phase)

    @functools.cached_property
    def inputs(self):
        """Name of an input blob -> array."""
        return {name: array for (name, *_), array in self._arrays("in")}

    @functools.cached_property
    def outputs(self):
        """Name of a computed blob -> array."""
        return {name: array for (name, *_), array in self._arrays("out") if name not in self.inputs}

    @functools.cached_property
    def weights(self):
        """Name of a layer -> its blobs."""
        weights = Weights()
        for (name, _), array in sorted(self._arrays("param"), key=operator.itemgetter(0)):
            weights.setdefault(name, []).append(array)
        return weights

    def _arrays(self, kind):
        """The parts of each key behind `kind:`, with the array; in the file's order."""
        with np.load(self._path) as case:
            keys = [key for key in case.files if key.startswith(kind + ":")]
            return [(key.split(":")[1:], case[key]) for key in keys]

    @property
    def types(self):
        """The types of the layers that are not inputs."""
        return {layer.type for layer in self.net.layer if layer.type != "Input"}

    def is_deployable(self):
        """Whether the net computes the same when it is deployed, and all it computes is known."""
        if not self.types <= DEPLOYABLE:
            return False
        for layer in self.net.layer:
            p = layer.batch_norm_param
            stored = p.use_global_stats if p.HasField("use_global_stats") else self.is_test
            if layer.type == "BatchNorm" and not stored:
                return False
        return True


@functools.cache
def deployable_cases():
    """The cases whose layers an exported net may have."""
    return [case for case in map(Case, sorted(LAYERS.glob("*.npz"))) if case.is_deployable()]
