"""Caffe's message classes and enum values, as in the module that pycaffe generates."""

from __future__ import annotations

from caffeformat import pb

globals().update({name: value for name, value in vars(pb).items() if not name.startswith("_")})
