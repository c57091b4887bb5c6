"""Berkeley's FCN-32s for NYUDv2 on colour."""

from .. import berkeley


def deploy(classes=40, channels=3, learned=False):
    """The network; `learned` lets its upsampling learn instead of staying bilinear."""
    return berkeley.fcn("NYUD-FCN32s-Color", 32, {"": classes}, channels, learned=learned)


def files(classes=40, channels=3, learned=False):
    """{file name: message}"""
    return berkeley.python_files(
        "nyud_fcn32s_color",
        deploy(classes, channels, learned),
        berkeley.nyud_inputs(data="color"),
        heads=[("", "label")],
        base_lr=1e-10,
        test_images=654,
    )
