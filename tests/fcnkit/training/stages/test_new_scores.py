"""New layers that score classes start at zero, so that a stage's first masks are the last ones."""

import numpy as np

from caffeformat import Weights, parse_text, pb
from fcnkit.surgery import transplant
from fcnkit.training.stages.run import _silence_new_scores

LAYER = """
layer { name: "%s" type: "Convolution" bottom: "x" top: "%s"
  convolution_param { num_output: %d kernel_size: 1 weight_filler { type: "xavier" } } }
"""
NET = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [1, 2, 4, 4] } } }'


def test_only_new_convolutions_of_as_many_outputs_as_classes_are_zeroed():
    layers = (("old", 3), ("score", 3), ("hidden", 5))
    text = NET + "".join(LAYER % (name, name, count) for name, count in layers)
    net = parse_text(text, pb.NetParameter)
    source = Weights({"old": [np.ones((3, 2, 1, 1), np.float32), np.ones(3, np.float32)]})
    for classes, zeroed in ((3, {"score"}), (None, {"score", "hidden"}), (4, set())):
        result = transplant(source, net)
        _silence_new_scores(result, net, classes)
        zeros = {name for name, blobs in result.weights.items() if not np.any(blobs[0])}
        assert zeros == zeroed
        assert all(blob.all() for blob in result.weights["old"])
