"""The name `caffe`, under which code written for pycaffe looks for its engine."""

import sys

_PACKAGE = __package__


def lend_name():
    """Let `import caffe` (and `caffe.proto.caffe_pb2`, ...) find this engine from now on.

    Does nothing where another `caffe` was imported before.
    """
    if sys.modules.setdefault("caffe", sys.modules[_PACKAGE]) is not sys.modules[_PACKAGE]:
        return
    # pycaffe's inner modules; whoever names them wants the classes that the package shows as well.
    for name in ("_caffe", "pycaffe"):
        sys.modules.setdefault(f"caffe.{name}", sys.modules[_PACKAGE])
    # The same module objects, lest classes exist twice.
    for name, module in list(sys.modules.items()):
        if name.startswith(_PACKAGE + "."):
            sys.modules["caffe" + name[len(_PACKAGE) :]] = module
