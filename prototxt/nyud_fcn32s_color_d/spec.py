"""Berkeley's FCN-32s for NYUDv2 on colour and depth, fused early as four channels."""

from caffeformat import NetSpec
from caffeformat import layers as L

from .. import berkeley, vgg
from ..blocks import finish


def deploy(classes=40, learned=False):
    """The network; `learned` lets its upsampling learn instead of staying bilinear."""
    n = NetSpec()
    n.color = berkeley.image_input()
    n.depth = berkeley.image_input(channels=1)
    n.data = L.Concat(n.color, n.depth)
    tops = vgg.fcn_trunk(n, n.data, first="conv1_1_bgrd")
    vgg.fcn_head(n, tops, n.data, classes, 32, learned=learned)
    return finish(n, "NYUD-FCN32s-Color-D")


def files(classes=40, learned=False):
    """{file name: message}"""
    return berkeley.python_files(
        "nyud_fcn32s_color_d",
        deploy(classes, learned),
        berkeley.nyud_inputs(color="color", depth="depth"),
        heads=[("", "label")],
        base_lr=1e-10,
        test_images=654,
    )
