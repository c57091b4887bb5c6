"""Layers of published Caffes beyond the five forks whose texts are read: what they are.

Nothing of them is parsed or run. An error can say whose layer it is, and what to write instead.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

__all__ = ["Elsewhere", "field_elsewhere", "layer_elsewhere", "v1_type_elsewhere"]


class Elsewhere(NamedTuple):
    """A layer type of another Caffe: its name, whose it is, and what to write (a sentence)."""

    type: str
    of: str
    advice: str

    def __str__(self) -> str:
        return f'"{self.type}" is a layer of {self.of}. {self.advice}'


_BOXES = "It works on boxes: remove it to compute features, or write a Python layer"
_LABELS = "Feed images and labels from a script, or list pairs of images for DenseImageData"
_LOSS = "Remove it to compute scores, or write a Python layer to train"
_VOLUMES = "Volumes of five axes can be convolved (kernel_size per axis), but not pooled"
_RCNN, _RFCN, _MNC = "Faster R-CNN's Caffe", "R-FCN's Caffe", "MNC's Caffe"
_DECONVNET, _DARKNET = "DeconvNet's and DecoupledNet's Caffe", "darknet's converters"
_FLOWNET, _CTPN, _HAPPYNEAR = "FlowNet's Caffe", "CTPN's Caffe", "happynear's Caffe"
_VOLUME_CAFFE = "Caffes for volumes (3D-Caffe, V-Net)"
_ROWS = (
    ("Axpy", "SENet's Caffe", 'Write "Scale" with axis: 0 (bottoms: the second, the first), then '
     '"Eltwise" that adds the third'),
    ("BoxAnnotatorOHEM", _RFCN, _BOXES),
    ("CReLU", "PVANET's Caffe", 'Write "Power" with scale: -1, "Concat" and "ReLU"'),
    ("ChannelScale", _HAPPYNEAR, 'Write "Scale" with axis: 0 and two bottoms'),
    ("ConcatReLU", "PVANET's Caffe", 'Write "Power" with scale: -1, "Concat" and "ReLU"'),
    ("Convolution3D", "C3D's Caffe", _VOLUMES),
    ("ConvolutionDepthwise", "several MobileNet Caffes", 'Write "Convolution" with group and '
     "num_output: the number of channels; its weights fit"),
    ("Correlation", _FLOWNET, "Write a Python layer"),
    ("CustomData", _FLOWNET, _LABELS),
    ("DataAugmentation", _FLOWNET, "Augment the data before the net"),
    ("DenseBlock", "DenseNet's Caffe", 'Write its "BatchNorm", "Scale", "ReLU", "Convolution" and '
     '"Concat" layers'),
    ("DiceLoss", "V-Net's Caffe", _LOSS),
    ("Flip", _HAPPYNEAR, "Write a Python layer"),
    ("ImageDimPrefetchData", "CCNN's Caffe", _LABELS),
    ("ImageLabelData", "CRF-as-RNN's Caffe", _LABELS),
    ("ImageLabelmapData", "HED's and RCF's Caffe", _LABELS),
    ("Lstm", _CTPN, 'Write "LSTM", which takes its data and a mark of where sequences go on; its '
     "gates are in another order"),
    ("MaskPooling", _MNC, _BOXES),
    ("MaskResize", _MNC, _BOXES),
    ("MultiStageMeanfield", "CRF-as-RNN's Caffe", "Remove it: its first bottom holds the net's "
     "scores, to refine by other programs"),
    ("PSROIPooling", _RFCN, _BOXES),
    ("Pooling3D", "C3D's Caffe", _VOLUMES),
    ("PoolingND", _VOLUME_CAFFE, _VOLUMES),
    ("Proposal", _RCNN, _BOXES),
    ("ROIAlign", "Mask R-CNN's Caffes", _BOXES),
    ("ROIPooling", _RCNN, _BOXES),
    ("ROIWarping", _MNC, _BOXES),
    ("ReLU6", "several MobileNet Caffes", 'Write "Clip" with clip_param { min: 0 max: 6 }'),
    ("RegionLoss", _DARKNET, _LOSS),
    ("Reorg", _DARKNET, 'Write "Reshape", "Permute" and "Reshape"'),
    ("Resample", _FLOWNET, 'Write "Interp", whose corners lie on corners, or "Deconvolution"'),
    ("Reverse", _CTPN, "Write a Python layer"),
    ("SelectSegBinary", _DECONVNET, _LABELS),
    ("ShuffleChannel", "ShuffleNet's Caffe", 'Write "Reshape" to N x groups x channels x pixels, '
     '"Permute" with order: 0, 2, 1, 3 and "Reshape" back'),
    ("SmoothL1Loss", _RCNN, _LOSS),
    ("SmoothL1LossOHEM", _RFCN, _BOXES),
    ("SoftmaxWithLossOHEM", _RFCN, 'Write "SoftmaxWithLoss", which weighs all pixels alike, or a '
     "Python layer"),
    ("SpatialDropout", "ENet's Caffe", "Remove it to compute scores: in TEST it passes its bottom "
     "on"),
    ("Transpose", _CTPN, 'Write "Permute" with the same order of axes'),
    ("Unpooling", _DECONVNET, 'Write "Upsample" with upsample_h and upsample_w: it takes the mask '
     "of a MAX Pooling, too"),
    ("WindowSegData", _DECONVNET, _LABELS),
    ("Yolov3", _DARKNET, _LOSS),
    ("YoloDetectionOutput", _DARKNET, _BOXES),
    ("Yolov3DetectionOutput", _DARKNET, _BOXES),
)  # fmt: skip
# V1 names and fields that do not follow from the type's
_V1_NAMES = {"IMAGE_SEG_DATA": "WindowSegData"}
_FIELDS = {"crelu_param": "CReLU", "proposal_params": "Proposal"}
_WORDS = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z][a-z]*\d*")


def layer_elsewhere(type_name: str) -> Elsewhere | None:
    """What the layer type `type_name` is where another Caffe has it, else None."""
    return _by_type().get(type_name)


def field_elsewhere(field: str) -> Elsewhere | None:
    """The layer whose parameters a field of LayerParameter such as `roi_pooling_param` holds."""
    return _by_type().get(_FIELDS.get(field, "")) or _by_snake().get(field.replace("_param", ""))


def v1_type_elsewhere(value: str) -> Elsewhere | None:
    """The layer that a V1 layer's `type`, such as `UNPOOLING`, means in another Caffe."""
    return _by_type().get(_V1_NAMES.get(value, "")) or _by_snake().get(value.lower())


@functools.cache
def _by_type() -> dict[str, Elsewhere]:
    return {row[0]: Elsewhere(*row) for row in _ROWS}


@functools.cache
def _by_snake() -> dict[str, Elsewhere]:
    """`roi_pooling` -> ROIPooling."""
    return {_snake(name): found for name, found in _by_type().items()}


def _snake(name: str) -> str:
    return "_".join(word.lower() for word in _WORDS.findall(name))
