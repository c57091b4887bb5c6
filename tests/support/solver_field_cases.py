"""For every field of a solver a training in which it shows: the solver, and what sets the field.

What sets it may begin with `-name` of fields that it takes out of the solver; a pair is a text that
is refused, with what the error says.
"""

# Nets that solvers train; `more` doubles what reaches the loss, in some of them under a rule.
_TRAINED = """
layer { name: "x" type: "DummyData" top: "x" top: "t"
  dummy_data_param { shape { dim: 3 dim: 2 } data_filler { type: "gaussian" } } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "y"
  inner_product_param { num_output: 2 weight_filler { type: "gaussian" } } }
layer { name: "more" type: "Power" bottom: "y" top: "y" power_param { scale: 2 } %s }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }
"""
# Texts of nets that tests write beside the other files, as train.prototxt and other.prototxt
TRAINED_NETS = {
    "train": _TRAINED % "",
    "other": (_TRAINED % "").replace("scale: 2", "scale: 3"),
}
_NET = f"net_param {{ {TRAINED_NETS['train']} }} "
_OTHER = f"net_param {{ {TRAINED_NETS['other']} }} "
_COMMON = (
    'base_lr: 0.1 max_iter: 6 display: 1 lr_policy: "fixed" random_seed: 3 '
    'snapshot_prefix: "@/run" snapshot_after_train: false '
)
_TESTS = "test_iter: 2 test_interval: 3 "


def _solvers():
    base = _COMMON + _NET
    ruled = _COMMON + _TESTS + f"net_param {{ {_TRAINED % 'include { %s }'} }} "
    step = base.replace("fixed", "step") + "gamma: 0.5 stepsize: 2 "
    snapshots = base + "snapshot: 4 "
    cases = {
        "net": (_COMMON + 'net: "@/train.prototxt"', 'net: "@/other.prototxt"'),
        "net_param": (base, "-net_param " + _OTHER),
        "train_net": (_COMMON + 'train_net: "@/train.prototxt"', 'train_net: "@/other.prototxt"'),
        "test_net": (
            base + _TESTS + 'test_net: "@/train.prototxt"',
            '-test_net test_net: "@/other.prototxt"',
        ),
        "train_net_param": (_COMMON + "train_" + _NET, "-train_net_param train_" + _OTHER),
        "test_net_param": (base + _TESTS + "test_" + _NET, "-test_net_param test_" + _OTHER),
        "train_state": (ruled % 'stage: "a"', 'train_state { stage: "a" }'),
        "test_state": (ruled % 'stage: "a"', 'test_state { stage: "a" }'),
        "test_iter": (base + _TESTS, "-test_iter test_iter: 3"),
        "test_interval": (base + _TESTS, "test_interval: 2"),
        "test_compute_loss": (base + _TESTS, "test_compute_loss: true"),
        "test_initialization": (base + _TESTS, "test_initialization: false"),
        "base_lr": (base, "base_lr: 0.2"),
        "display": (base, "display: 2"),
        "average_loss": (base, "average_loss: 3"),
        "max_iter": (base, "max_iter: 4"),
        "iter_size": (base, "iter_size: 2"),
        "lr_policy": (base + "gamma: 0.5", 'lr_policy: "exp"'),
        "gamma": (step, "gamma: 0.1"),
        "power": (base.replace("fixed", "poly") + "power: 1", "power: 2"),
        "momentum": (base, "momentum: 0.9"),
        "weight_decay": (base, "weight_decay: 0.1"),
        "regularization_type": (base + "weight_decay: 0.1", 'regularization_type: "L1"'),
        "stepsize": (step, "stepsize: 3"),
        "stepvalue": (
            base.replace("fixed", "multistep") + "gamma: 0.5 stepvalue: 2",
            "-stepvalue stepvalue: 3",
        ),
        "clip_gradients": (base, "clip_gradients: 0.1"),
        "snapshot": (base, "snapshot: 4"),
        "snapshot_prefix": (snapshots, 'snapshot_prefix: "@/else"'),
        "snapshot_diff": (base, ("snapshot_diff: true", "snapshot_diff")),
        "snapshot_format": (snapshots, "snapshot_format: HDF5"),
        "random_seed": (base, "random_seed: 4"),
        "type": (base, 'type: "AdaGrad"'),
        "delta": (base + 'type: "AdaGrad"', "delta: 0.1"),
        "momentum2": (base + 'type: "Adam" momentum: 0.9', "momentum2: 0.9"),
        "rms_decay": (base + 'type: "RMSProp"', "rms_decay: 0.9"),
        "debug_info": (base, "debug_info: true"),
        "snapshot_after_train": (base, "snapshot_after_train: true"),
        "solver_type": (base, "solver_type: ADAM"),
        "weights": (base, 'weights: "@/start.caffemodel"'),
    }
    return {
        **{("SolverParameter", field): case for field, case in cases.items()},
        ("NetState", "phase"): (ruled % "phase: TEST", "train_state { phase: TEST }"),
        ("NetState", "level"): (ruled % "min_level: 1", "train_state { level: 1 }"),
    }


SOLVER_CASES = _solvers()
