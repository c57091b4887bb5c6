"""Berkeley's FCN-32s for NYUDv2 on colour and HHA-coded depth: two streams, averaged late."""

from caffeformat import NetSpec
from caffeformat import layers as L
from caffeformat import params as P

from .. import berkeley, vgg
from ..blocks import finish, score, upsampling


def deploy(classes=40, learned=False):
    """The network; `learned` lets its upsampling learn instead of staying bilinear."""
    n = NetSpec()
    n.color = berkeley.image_input()
    n.hha = berkeley.image_input()
    scores = []
    for name in ("color", "hha"):
        tops = vgg.fcn_trunk(n, n[name], suffix=name)
        n[f"score_fr{name}"] = score(tops["drop7"], classes)
        scores.append(n[f"score_fr{name}"])
    n.score_fused = L.Eltwise(*scores, operation=P.Eltwise.SUM, coeff=[0.5, 0.5])
    n.upscore = upsampling(n.score_fused, classes, 32, learned=learned)
    n.score = L.Crop(n.upscore, n.color, axis=2)
    return finish(n, "NYUD-FCN32s-Color-HHA")


def files(classes=40, learned=False):
    """{file name: message}"""
    return berkeley.python_files(
        "nyud_fcn32s_color_hha",
        deploy(classes, learned),
        berkeley.nyud_inputs(color="color", hha="hha"),
        heads=[("", "label")],
        base_lr=1e-12,
        test_images=654,
    )
