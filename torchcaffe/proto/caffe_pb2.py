"""Caffe's message classes and enum values, as the module that pycaffe generates has them."""

from caffeformat import pb

globals().update({name: value for name, value in vars(pb).items() if not name.startswith("_")})
