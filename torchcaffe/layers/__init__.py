"""Caffe's layer types, one module a family."""
