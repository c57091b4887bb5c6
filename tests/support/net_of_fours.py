"""A net that takes images whose sides are multiples of 4, behind Caffe's own Data layers."""

import numpy as np
from engine_runtime import of_the_engine

from fcnkit.datasets import open_dataset
from fcnkit.inference import ConfusionMatrix
from fcnkit.training import read_run

NET = """
layer { name: "data" type: "Data" top: "data" include { phase: TRAIN }
  transform_param { mean_value: 60 scale: 0.01 } data_param { batch_size: 2 backend: LMDB } }
layer { name: "label" type: "Data" top: "label" include { phase: TRAIN }
  data_param { batch_size: 2 backend: LMDB } }
layer { name: "data" type: "Data" top: "data" include { phase: TEST }
  transform_param { mean_value: 60 scale: 0.01 } data_param { batch_size: 1 backend: LMDB } }
layer { name: "label" type: "Data" top: "label" include { phase: TEST }
  data_param { batch_size: 1 backend: LMDB } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 3 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "p" type: "Pooling" bottom: "c" top: "p"
  pooling_param { pool: AVE kernel_size: 4 stride: 4 } }
layer { name: "up" type: "Deconvolution" bottom: "p" top: "up"
  convolution_param { num_output: 3 kernel_size: 4 stride: 4 weight_filler { type: "xavier" } } }
layer { name: "score" type: "Eltwise" bottom: "c" bottom: "up" top: "score" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss"
  loss_param { ignore_label: 255 } exclude { stage: "deploy" } }
"""


def assert_validated_as_scored(outcome, run, data):
    """The counts of the last validation of `run` are those of its segmenter, image by image."""
    segmenter, expected = read_run(run).segmenter(runtime=of_the_engine()), ConfusionMatrix(3)
    with open_dataset(data, "val") as val:
        for i in range(len(val)):
            expected.update(segmenter.class_map(val.image(i)), val.label(i))
    assert outcome.matrix.total == expected.total
    # Sums in another order may turn a pixel whose best scores are equal.
    assert np.abs(outcome.matrix.counts - expected.counts).sum() <= 4
