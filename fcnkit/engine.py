"""The one door to an engine: BVLC Caffe or torchcaffe, both under pycaffe's API.

`load()` hands out BVLC Caffe where `import caffe` finds it and torchcaffe otherwise; the variable
`FCNKIT_ENGINE=bvlc|torch` of the environment chooses by hand. What pycaffe can say (nets, solvers,
blobs) is said in pycaffe and runs on both. Nets are opened with `open_net` and `open_solver`,
because a net file may name Python modules that run as part of it: they are compared with a list of
allowed ones before either engine sees the file.
"""

import importlib
import importlib.util
import os
import sys

from caffeformat import InputError, filter_net, pb, read_net, read_solver
from caffeformat.forks import fork_additions

VARIABLE = "FCNKIT_ENGINE"
_MODULES = {"bvlc": "caffe", "torch": "torchcaffe"}

_CAPABILITIES = {"bvlc": frozenset(), "torch": frozenset({"lean_forward"})}

# Modules whose Python layers may run without being asked for with --allow-python: this project's
# own, those of Berkeley's data layers under the names that Berkeley's networks call them by.
PYTHON_MODULES = (
    "fcnkit.data_layers",
    "voc_layers",
    "pascalcontext_layers",
    "nyud_layers",
    "siftflow_layers",
)


def name():
    """`"bvlc"` or `"torch"`: the engine that `load` gives."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen in _MODULES:
        return chosen
    if chosen:
        raise InputError(f"{VARIABLE} is {chosen!r}; expected bvlc or torch")
    return "bvlc" if has_bvlc() else "torch"


def load():
    """The engine as a module with pycaffe's API (`Net`, `get_solver`, `set_mode_cpu`, ...).

    Raises `InputError` where it is not installed.
    """
    engine = name()
    if engine == "bvlc":
        # Caffe logs each layer it sets up; the commands' own output would drown in it.
        os.environ.setdefault("GLOG_minloglevel", "1")
    try:
        return importlib.import_module(_MODULES[engine])
    except ImportError as error:
        hint = {
            "bvlc": "install BVLC Caffe's Python package (Debian 11: python3-caffe), or use "
            f"{VARIABLE}=torch",
            "torch": "install PyTorch (Python 3.10 or later), or BVLC Caffe",
        }[engine]
        raise InputError(f"the engine {engine!r} cannot be loaded ({error}): {hint}") from error


def load_export():
    """torchcaffe's way out, `torchcaffe.export`; `InputError` where the engine is another."""
    if name() != "torch":
        raise InputError(
            f"modules and state dicts need PyTorch, but the engine is {name()!r}: say "
            f"{VARIABLE}=torch"
        )
    load()  # says what is missing
    return importlib.import_module("torchcaffe.export")


def has_bvlc():
    """Whether `import caffe` finds BVLC Caffe in this Python."""
    # A folder called `caffe` in the way is a namespace package (no origin), not pycaffe; and
    # torchcaffe lends its module under that name to Python layers that import caffe.
    loaded = sys.modules.get("caffe")
    if loaded is not None:
        return loaded is not sys.modules.get("torchcaffe")
    spec = importlib.util.find_spec("caffe")
    return spec is not None and spec.origin is not None


def capabilities():
    """What the engine can do beyond pycaffe, a frozenset of names.

    `lean_forward`: a forward pass that frees what no later layer needs (`forward` uses it).
    """
    return _CAPABILITIES[name()]


def use_device(gpu=None):
    """Compute on GPU number `gpu`, or on the CPU where that is None."""
    caffe = load()
    if gpu is None:
        caffe.set_mode_cpu()
    else:
        caffe.set_device(gpu)
        caffe.set_mode_gpu()


def open_net(path, phase="TEST", stages=(), allow_python=()):
    """A `Net` of the file at `path` (text), its weights as its fillers leave them.

    `phase` is "TRAIN" or "TEST". Raises `InputError` for a Python layer of a module that is neither
    in `PYTHON_MODULES` nor in `allow_python`, and where BVLC Caffe would have to run what forks of
    Caffe added.
    """
    caffe = load()
    net = read_net(path)
    check_python_layers(net, path, allow_python)
    if name() == "bvlc":
        refuse_forks(net, path, filter_net(net, getattr(pb, phase), stages=stages))
    _allow_in_engine(caffe, allow_python)
    chosen = {"stages": list(stages)} if stages else {}
    return caffe.Net(os.fspath(path), getattr(caffe, phase), **chosen)


def forward(net, blob):
    """Run `net` forward for the value of one blob, a float32 array; other blobs may be lost."""
    if "lean_forward" in capabilities():
        return net.forward(blobs=[blob], keep_blobs=False)[blob]
    net.forward()
    return net.blobs[blob].data


def open_solver(path, allow_python=()):
    """A solver of the file at `path` by `get_solver`, its nets checked as in `open_net`."""
    caffe = load()
    for net, source in _solver_nets(path):
        check_python_layers(net, source, allow_python)
    if name() == "bvlc":
        refuse_forks_of_solver(path)
    _allow_in_engine(caffe, allow_python)
    return caffe.get_solver(os.fspath(path))


def _solver_nets(path):
    """(net message, where it is from) for each net that the solver at `path` names or holds."""
    solver = read_solver(path)
    paths = [solver.net, solver.train_net, *solver.test_net]
    for file in paths:
        if file:
            yield read_net(file), file
    for net in [solver.net_param, solver.train_net_param, *solver.test_net_param]:
        yield net, path


def check_python_layers(net, source, allow_python=()):
    """Raise `InputError` where `net` has a Python layer whose module is not allowed.

    `source` is what the error calls the net. Layers of every phase count.
    """
    allowed = {*PYTHON_MODULES, *allow_python}
    for layer in net.layer:
        if layer.type == "Python" and layer.python_param.module not in allowed:
            module = layer.python_param.module
            raise InputError(
                f"{source}: layer {layer.name!r} runs Python code of module {module!r}, which is "
                f"not allowed: if you trust it, say --allow-python {module}"
            )


def refuse_forks(message, source, net=None):
    """Raise `InputError` for what BVLC Caffe does not know in `message`, which is of `source`.

    `net` is the NetParameter with the layers that would run. BVLC Caffe itself ends the process,
    at what of it comes first.
    """
    found = fork_additions(message, net)
    if found:
        raise InputError(
            f"{source}: BVLC Caffe does not know what its forks added: {'; '.join(found)}; run it "
            f"with {VARIABLE}=torch"
        )


def refuse_forks_of_solver(path):
    """`refuse_forks` for the solver at `path` and the layers that its nets would have."""
    solver = read_solver(path)
    refuse_forks(solver, path)
    states = [(pb.TRAIN, solver.train_state)]
    states += [(pb.TEST, state) for state in list(solver.test_state) or [pb.NetState()]]
    for net, source in _solver_nets(path):
        for phase, state in states:
            refuse_forks(net, source, filter_net(net, phase, state.level, state.stage))


def _allow_in_engine(caffe, allow_python):
    # BVLC Caffe imports whatever a net names; torchcaffe keeps a list of its own.
    allow = getattr(caffe, "allow_python_modules", None)
    if allow is not None:
        allow(*PYTHON_MODULES, *allow_python)


class Hooks:
    """What `train` calls around each step; a subclass overrides what it needs."""

    def before_step(self, solver):
        """Called with the solver before each step, `solver.iter` steps having been taken."""

    def after_step(self, solver):
        """Called after each step; a true value ends the training."""


def train(solver, hooks, options):
    """Step `solver` until `options["max_iter"]` iterations, with `hooks` (a `Hooks`) around each.

    Every other option names something that pycaffe cannot say and must be among the engine's
    `capabilities()`; `InputError` says which engine lacks it.
    """
    options = dict(options)
    max_iter = options.pop("max_iter")
    missing = sorted(set(options) - capabilities())
    if missing:
        raise InputError(f"the engine {name()!r} cannot do {', '.join(missing)}")
    while solver.iter < max_iter:
        hooks.before_step(solver)
        solver.step(1)
        if hooks.after_step(solver):
            break
