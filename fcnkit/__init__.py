"""Prepare, transplant, train, score and paint Caffe's fully convolutional networks."""

__version__ = "0.1.0"
