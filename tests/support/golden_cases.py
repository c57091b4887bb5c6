"""Single layers in BVLC Caffe 1.0, as nets that other forms of a net can be compared with."""

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
    """One case: `net` (filtered NetParameter), `weights`, `inputs` and `outputs`, name -> array."""

    def __init__(self, path):
        case = np.load(path)
        self.name = path.stem
        message = parse_text(str(case["prototxt"]), pb.NetParameter)
        self.is_test = int(case["phase"]) == pb.TEST
        self.net = filter_net(message, int(case["phase"]))
        kinds = {key: key.split(":")[1:] for key in case.files if ":" in key}
        self.inputs = {kinds[key][0]: case[key] for key in kinds if key.startswith("in:")}
        self.weights = Weights()
        for key in sorted(kinds):
            if key.startswith("param:"):
                self.weights.setdefault(kinds[key][0], []).append(case[key])
        made = {kinds[key][0]: case[key] for key in kinds if key.startswith("out:")}
        self.outputs = {name: made[name] for name in made if name not in self.inputs}

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


def deployable_cases():
    """The cases whose layers an exported net may have."""
    return [case for case in map(Case, sorted(LAYERS.glob("*.npz"))) if case.is_deployable()]
