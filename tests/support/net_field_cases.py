"""For every field of a net, and of what all layers have, a net in which it shows.

A case is the text of a net without the field and of the same net with it (a pair, where that is
refused, with what the error says).
"""

_INPUT = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 } } }'


def _fillers():
    net = _INPUT + (
        'layer { name: "fc" type: "InnerProduct" bottom: "x" top: "y" '
        "inner_product_param { num_output: 30 weight_filler { %s } } }"
    )
    changes = {
        "type": ("", 'type: "xavier"'),
        "value": ("", "value: 2"),
        "min": ('type: "uniform"', "min: -2"),
        "max": ('type: "uniform"', "max: 2"),
        "mean": ('type: "gaussian"', "mean: 2"),
        "std": ('type: "gaussian"', "std: 3"),
        "sparse": ('type: "gaussian"', "sparse: 2"),
        "variance_norm": ('type: "xavier"', "variance_norm: FAN_OUT"),
    }
    return {
        ("FillerParameter", field): (net % base, net % f"{base} {change}")
        for field, (base, change) in changes.items()
    }


def _transforms():
    net = (
        'layer { name: "data" type: "Data" top: "data" '
        'data_param { source: "@/%s" backend: LMDB batch_size: 1 } transform_param { %s } }'
    )
    changes = {
        "scale": ("db", "scale: 0.5"),
        "mirror": ("db", "mirror: true"),
        "crop_size": ("db", "crop_size: 4"),
        "mean_file": ("db", 'mean_file: "@/mean.binaryproto"'),
        "mean_value": ("db", "mean_value: 9"),
        "force_color": ("grey_db", "force_color: true"),
        "force_gray": ("encoded_db", "force_gray: true"),
    }
    return {
        ("TransformationParameter", field): (net % (source, ""), net % (source, change))
        for field, (source, change) in changes.items()
    }


def _losses():
    net = (
        'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 5 } } }'
        'layer { name: "l" type: "DummyData" top: "l" dummy_data_param '
        "{ shape { dim: 2 dim: 5 } data_filler { value: 1 } } }"
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "l" top: "loss" '
        "loss_param { %s } }"
    )
    changes = {
        "ignore_label": "ignore_label: 1",
        "normalization": "normalization: BATCH_SIZE",
        "normalize": "normalize: false",
    }
    return {("LossParameter", field): (net % "", net % change) for field, change in changes.items()}


def _params():
    net = _INPUT + "".join(
        f'layer {{ name: "fc{i}" type: "InnerProduct" bottom: "{bottom}" top: "y{i}" '
        f"param {{ {param} }} inner_product_param {{ num_output: {outputs} bias_term: false "
        'weight_filler { type: "gaussian" } } }'
        for i, bottom, outputs, param in ((1, "x", 4, "%s"), (2, "y1", 4, "%s"))
    )
    # Weights of 2 x 4 and of 4 x 2
    other = net.replace("num_output: 4", "num_output: 2", 1)
    return {
        ("ParamSpec", "name"): (net % ("", ""), net % ('name: "w"', 'name: "w"')),
        ("ParamSpec", "share_mode"): (
            other % ('name: "w"', 'name: "w" share_mode: PERMISSIVE'),
            (other % ('name: "w"', 'name: "w"'), "not its shape"),
        ),
        ("ParamSpec", "lr_mult"): (net % ("", ""), net % ("lr_mult: 2", "")),
        ("ParamSpec", "decay_mult"): (net % ("", ""), net % ("decay_mult: 2", "")),
    }


def _layer(name="it", type="AbsVal", bottom="x", top="y", more=""):
    return f'layer {{ name: "{name}" type: "{type}" bottom: "{bottom}" top: "{top}" {more} }} '


def _layers():
    base, after = _INPUT + _layer(), _INPUT + _layer() + _layer("two", "TanH", "%s", "z")
    learned = 'inner_product_param { num_output: 3 weight_filler { type: "gaussian" } } '
    chain = (
        _INPUT
        + _layer("fc", "InnerProduct", "x", "y", learned)
        + _layer("half", "Power", "y", "z", "power_param { scale: 0.5 } %s")
        + _layer("sum", "Reduction", "z", "loss", "loss_weight: 1")
    )
    cases = {
        "name": (base, _INPUT + _layer(name="other")),
        "type": (base, _INPUT + _layer(type="TanH")),
        "bottom": (after % "x", after % "y"),
        "top": (base, _INPUT + _layer(top="w")),
        "phase": (
            _INPUT + _layer(type="Dropout"),
            _INPUT + _layer(type="Dropout", more="phase: TEST"),
        ),
        "loss_weight": (base, _INPUT + _layer(more="loss_weight: 2")),
        "param": (
            _INPUT + _layer(type="InnerProduct", more=learned),
            _INPUT + _layer(type="InnerProduct", more=learned + "param { lr_mult: 2 }"),
        ),
        "blobs": (base, (_INPUT + _layer(more="blobs { data: 1 }"), "blobs")),
        "propagate_down": (chain % "", chain % "propagate_down: false"),
        "include": (base, _INPUT + _layer(more="include { phase: TEST }")),
        "exclude": (base, _INPUT + _layer(more="exclude { phase: TRAIN }")),
    }
    return {("LayerParameter", field): case for field, case in cases.items()}


def _nets():
    scaled = _layer(type="Power", more="power_param { scale: 3 } %s")
    base = _INPUT + scaled % ""
    staged = _INPUT + scaled % 'include { stage: "a" }'
    ruled = 'state { stage: "a" }' + _INPUT + scaled % "include { %s }"
    shaped = 'input: "%s" input_shape { dim: %d dim: 4 }' + _layer(bottom="%s")
    old = 'input: "x" input_dim: 2 input_dim: %d input_dim: 1 input_dim: 1 ' + _layer()
    v1 = 'input: "x" input_shape { dim: 2 } layers { name: "it" bottom: "x" top: "y" type: %s }'
    return {
        ("NetParameter", "name"): (base, 'name: "other" ' + base),
        ("NetParameter", "input"): (shaped % ("x", 2, "x"), shaped % ("z", 2, "z")),
        ("NetParameter", "input_shape"): (shaped % ("x", 2, "x"), shaped % ("x", 3, "x")),
        ("NetParameter", "input_dim"): (old % 4, old % 5),
        ("NetParameter", "force_backward"): (base, "force_backward: true " + base),
        ("NetParameter", "state"): (staged, 'state { stage: "a" }' + staged),
        ("NetParameter", "debug_info"): (base, "debug_info: true " + base),
        ("NetParameter", "layer"): (base, base + _layer("more", top="z")),
        ("NetParameter", "layers"): (v1 % "TANH", v1 % "SIGMOID"),
        ("NetState", "stage"): (staged, 'state { stage: "a" }' + staged),
        ("NetStateRule", "phase"): (ruled % "", ruled % "phase: TEST"),
        ("NetStateRule", "min_level"): (ruled % "", ruled % "min_level: 1"),
        ("NetStateRule", "max_level"): (ruled % "", ruled % "max_level: -1"),
        ("NetStateRule", "stage"): (ruled % "", ruled % 'stage: "b"'),
        ("NetStateRule", "not_stage"): (ruled % "", ruled % 'not_stage: "a"'),
        ("BlobShape", "dim"): (base, base.replace("dim: 2", "dim: 5", 1)),
    }


NET_CASES = {**_fillers(), **_transforms(), **_losses(), **_params(), **_layers(), **_nets()}
