"""Caffe on PyTorch, under pycaffe's names."""
