"""The alias `caffe`, under which code written for pycaffe imports its engine."""

from __future__ import annotations

import sys

_PACKAGE = "torchcaffe"


def lend_name() -> None:
    """Make `import caffe` (and `caffe.proto.caffe_pb2`, ...) find this engine from now on.

    Does nothing if another `caffe` was imported before.
    """
    if sys.modules.setdefault("caffe", sys.modules[_PACKAGE]) is not sys.modules[_PACKAGE]:
        return
    # pycaffe's inner modules, whose classes are all in the package as well.
    for name in ("_caffe", "pycaffe"):
        sys.modules.setdefault(f"caffe.{name}", sys.modules[_PACKAGE])
    # The same module objects, so that no class exists twice.
    for name, module in list(sys.modules.items()):
        if name.startswith(_PACKAGE + "."):
            sys.modules["caffe" + name[len(_PACKAGE) :]] = module
