"""For every field of layers that compute, each type's own, a net in which it shows."""

from field_effects import Bench

_FILLERS = {
    "weight_filler": "-weight_filler weight_filler { value: 0.3 }",
    "bias_filler": "bias_filler { value: 0.3 }",
}
_WINDOWS = {
    "pad": "pad: 1",
    "kernel_size": "-kernel_size kernel_size: 2",
    "stride": "stride: 2",
    "dilation": "dilation: 2",
    "pad_h": "pad_h: 1",
    "pad_w": "pad_w: 1",
    "kernel_h": "-kernel_size kernel_h: 2 kernel_w: 3",
    "kernel_w": "-kernel_size kernel_h: 3 kernel_w: 2",
    "stride_h": "stride_h: 2 stride_w: 1",
    "stride_w": "stride_h: 1 stride_w: 2",
    "axis": "axis: 2",
}
_CONVOLUTION = Bench(
    ["2x2x7x6"],
    'num_output: 4 kernel_size: 3 weight_filler { type: "gaussian" std: 0.5 }',
    {
        **_WINDOWS,
        **_FILLERS,
        "num_output": "num_output: 2",
        "bias_term": "bias_term: false",
        "group": "group: 2",
    },
)
_POOLING = {name: text for name, text in _WINDOWS.items() if name not in ("dilation", "axis")}
_RECURRENT = Bench(
    ["3x2x4", "3x2<2"],
    'num_output: 3 weight_filler { type: "uniform" min: -1 }',
    {
        **_FILLERS,
        "num_output": "num_output: 2",
        "debug_info": ("debug_info: true", "debug_info"),
        "expose_hidden": ("expose_hidden: true", "[12] states"),
    },
)

# Layer type -> its bench, or several, whose `fields` name every field that has an effect
CASES = {
    "Accuracy": Bench(
        ["3x3x2", "3x2<3"],
        "",
        {"top_k": "top_k: 2", "axis": "axis: 0", "ignore_label": "ignore_label: 1"},
    ),
    "ArgMax": Bench(
        ["2x3x4"],
        "",
        {"out_max_val": "out_max_val: true", "top_k": "top_k: 2", "axis": "axis: 1"},
    ),
    "BN": [
        Bench(
            ["3x2x4"],
            "momentum: 0.9",
            {
                "slope_filler": "slope_filler { value: 0.5 }",
                "bias_filler": "bias_filler { value: 0.5 }",
                "momentum": "momentum: 0.5",
                "eps": "eps: 0.5",
                "frozen": "frozen: true",
            },
            phase="TRAIN",
        ),
        Bench(
            ["3x2x4"],
            "bn_mode: LEARN",
            {
                "bn_mode": "bn_mode: INFERENCE",
                "scale_filler": "scale_filler { value: 0.5 }",
                "shift_filler": "shift_filler { value: 0.5 }",
            },
        ),
    ],
    "BatchNorm": Bench(
        ["3x2x4"],
        "",
        {
            "use_global_stats": "use_global_stats: true",
            "moving_average_fraction": "moving_average_fraction: 0.5",
            "eps": "eps: 0.5",
        },
        phase="TRAIN",
    ),
    "Bias": Bench(
        ["2x3x4"],
        "",
        {"axis": "axis: 2", "num_axes": "num_axes: 2", "filler": "filler { value: 0.3 }"},
    ),
    "Clip": Bench(["2x5"], "min: -1 max: 1", {"min": "min: -0.1", "max": "max: 0.1"}),
    "Concat": Bench(["2x2", "2x2"], "", {"axis": "axis: 0", "concat_dim": "concat_dim: 0"}),
    "ContrastiveLoss": Bench(
        ["4x3", "4x3", "4<2"],
        "margin: 5",
        {"margin": "margin: 4", "legacy_version": "legacy_version: true"},
    ),
    "Convolution": _CONVOLUTION,
    "Crop": Bench(["2x3x5x6", "1x2x3x3"], "", {"axis": "axis: 1", "offset": "offset: 1"}),
    "Deconvolution": _CONVOLUTION,
    "Dropout": Bench(["20x5"], "", {"dropout_ratio": "dropout_ratio: 0.2"}, phase="TRAIN"),
    "ELU": Bench(["2x5"], "", {"alpha": "alpha: 2"}),
    "Eltwise": Bench(
        ["2x5", "2x5"],
        "",
        {"operation": "operation: MAX", "coeff": "coeff: 2 coeff: 1"},
    ),
    "Embed": Bench(
        ["4<3"],
        'num_output: 2 input_dim: 3 weight_filler { type: "gaussian" }',
        {
            **_FILLERS,
            "num_output": "num_output: 3",
            "input_dim": "input_dim: 5",
            "bias_term": "bias_term: false",
        },
    ),
    "Exp": Bench(["2x5"], "", {"base": "base: 2", "scale": "scale: 0.5", "shift": "shift: 1"}),
    "Flatten": Bench(["2x3x4x5"], "", {"axis": "axis: 2", "end_axis": "end_axis: 2"}),
    "HingeLoss": Bench(["4x3", "4<3"], "", {"norm": "norm: L2"}),
    "Im2col": Bench(["2x2x7x6"], "kernel_size: 3", _WINDOWS),
    "InfogainLoss": Bench(
        ["4x3x3", "4x3<3"],
        'source: "@/gains.binaryproto"',
        {"source": 'source: "@/other_gains.binaryproto"', "axis": "axis: 2"},
    ),
    "InnerProduct": Bench(
        ["2x3x4"],
        'num_output: 3 weight_filler { type: "gaussian" }',
        {
            **_FILLERS,
            "num_output": "num_output: 2",
            "bias_term": "bias_term: false",
            "axis": "axis: 2",
            "transpose": "transpose: true",
        },
    ),
    "Interp": Bench(
        ["1x2x5x6"],
        "zoom_factor: 3",
        {
            "height": "-zoom_factor height: 7 width: 16",
            "width": "-zoom_factor height: 13 width: 9",
            "zoom_factor": "zoom_factor: 2",
            "shrink_factor": "shrink_factor: 2",
            "pad_beg": "pad_beg: -1",
            "pad_end": "pad_end: -1",
        },
    ),
    "LRN": Bench(
        ["1x6x4x4"],
        "",
        {
            "local_size": "local_size: 3",
            "alpha": "alpha: 2",
            "beta": "beta: 0.5",
            "norm_region": "norm_region: WITHIN_CHANNEL",
            "k": "k: 2",
        },
    ),
    "LSTM": _RECURRENT,
    "Log": Bench(["2x5+"], "", {"base": "base: 2", "scale": "scale: 0.5", "shift": "shift: 1"}),
    "MVN": Bench(
        ["2x3x4"],
        "",
        {
            "normalize_variance": "normalize_variance: false",
            "across_channels": "across_channels: true",
            "eps": "eps: 0.5",
        },
    ),
    "Normalize": Bench(
        ["2x3x4x2"],
        "",
        {
            "across_spatial": "across_spatial: false",
            "scale_filler": "scale_filler { value: 3 }",
            "channel_shared": "channel_shared: false",
            "eps": "eps: 0.5",
        },
    ),
    "PReLU": Bench(
        ["2x3x4"],
        "",
        {"filler": "filler { value: 0.5 }", "channel_shared": "channel_shared: true"},
    ),
    "Permute": Bench(["2x3x4"], "", {"order": "order: 2"}),
    "Pooling": Bench(
        ["2x2x7x6"],
        "kernel_size: 3 stride: 2",
        {
            **_POOLING,
            "pool": "pool: AVE",
            "stride": "stride: 1",
            "stride_h": "-stride stride_h: 1 stride_w: 2",
            "stride_w": "-stride stride_h: 2 stride_w: 1",
            "global_pooling": "-kernel_size -stride global_pooling: true",
            "round_mode": "round_mode: FLOOR",
        },
    ),
    "Power": Bench(["2x5+"], "", {"power": "power: 3", "scale": "scale: 0.5", "shift": "shift: 1"}),
    "Python": Bench(
        ["2x5"],
        'module: "field_layers" layer: "Times"',
        {
            "module": 'module: "other_field_layers"',
            "layer": 'layer: "Thrice"',
            "param_str": 'param_str: "3"',
        },
    ),
    "RNN": _RECURRENT,
    "ReLU": Bench(["2x5"], "", {"negative_slope": "negative_slope: 0.2"}),
    "Reduction": Bench(
        ["2x3x4"], "", {"operation": "operation: MEAN", "axis": "axis: 1", "coeff": "coeff: 2"}
    ),
    "Reshape": Bench(
        ["2x3x4"],
        "shape { dim: -1 }",
        {"shape": "-shape shape { dim: 6 dim: 4 }", "axis": "axis: 1", "num_axes": "num_axes: 2"},
    ),
    "SPP": Bench(
        ["2x3x8x8"],
        "pyramid_height: 2",
        {"pyramid_height": "pyramid_height: 3", "pool": "pool: AVE"},
    ),
    "SegAccuracy": Bench(
        ["2x3x4x5", "2x1x4x5<3"],
        "",
        {"ignore_label": "ignore_label: 1", "reset": "reset: false"},
    ),
    "Scale": Bench(
        ["2x3x4"],
        "",
        {
            "axis": "axis: 2",
            "num_axes": "num_axes: 2",
            "filler": "filler { value: 0.3 }",
            "bias_term": "bias_term: true",
            "bias_filler": "bias_term: true bias_filler { value: 0.3 }",
        },
    ),
    "Sigmoid": Bench(["2x5"], "", {}),
    "Slice": Bench(
        ["4x4"],
        "",
        {"axis": "axis: 0", "slice_point": "slice_point: 1", "slice_dim": "slice_dim: 0"},
        tops=2,
    ),
    "Softmax": Bench(["2x3x4"], "", {"axis": "axis: 2"}),
    "Swish": Bench(["2x5"], "", {"beta": "beta: 2"}),
    "TanH": Bench(["2x5"], "", {}),
    "Threshold": Bench(["2x5"], "", {"threshold": "threshold: 0.5"}),
    "Tile": Bench(["2x3"], "tiles: 2", {"axis": "axis: 0", "tiles": "tiles: 3"}),
    "Upsample": Bench(
        ["1x2x3x3", "1x2x3x3<9"],
        "",
        {
            "scale": "scale: 3",
            "scale_h": "-scale scale_h: 3 scale_w: 2",
            "scale_w": "-scale scale_h: 2 scale_w: 3",
            "pad_out_h": "scale: 2 pad_out_h: true",
            "pad_out_w": "scale: 2 pad_out_w: true",
            "upsample_h": "upsample_h: 5 upsample_w: 6",
            "upsample_w": "upsample_h: 6 upsample_w: 5",
        },
    ),
}
