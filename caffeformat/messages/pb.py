"""Caffe's messages and enum values, as a module that protobuf's compiler generates has them.

`schema.py` builds them; `pb.pyi` has their types and is written by `docs/make_pb_stub.py`.

    from caffeformat import pb
    net = pb.NetParameter(name="demo")
    net.layer.add(name="conv1", type="Convolution")
    pb.TRAIN, pb.PoolingParameter.MAX
"""

from __future__ import annotations as _annotations

from .schema import common_messages as _common_messages

globals().update(_common_messages().members())
