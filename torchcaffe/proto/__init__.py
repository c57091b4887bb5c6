"""The package in which scripts for pycaffe find Caffe's messages: `torchcaffe.proto.caffe_pb2`."""

from __future__ import annotations

from . import caffe_pb2

__all__ = ["caffe_pb2"]
