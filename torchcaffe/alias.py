"""The name `caffe`, under which code written for pycaffe looks for its engine."""

import sys

_PACKAGE = __package__


def lend_name():
    """Let `import caffe` (and `caffe.proto.caffe_pb2`, ...) find this engine from now on.

    Does nothing where another `caffe` was imported before.
    """
    if sys.modules.setdefault("caffe", sys.modules[_PACKAGE]) is not sys.modules[_PACKAGE]:
        return
    # The same module objects, lest classes exist twice.
    for name, module in list(sys.modules.items()):
        if name.startswith(_PACKAGE + "."):
            sys.modules["caffe" + name[len(_PACKAGE) :]] = module
