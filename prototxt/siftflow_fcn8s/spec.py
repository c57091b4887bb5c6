"""Berkeley's FCN-8s for SIFT Flow, with a semantic and a geometric head."""

from .. import berkeley


def deploy(semantic=33, geometric=3, channels=3, learned=False):
    """The network; `learned` lets its upsampling learn instead of staying bilinear."""
    heads = {"_sem": semantic, "_geo": geometric}
    return berkeley.fcn("SIFTFlow-FCN8s", 8, heads, channels, learned=learned)


def files(semantic=33, geometric=3, channels=3, learned=False):
    """{file name: message}"""
    return berkeley.python_files(
        "siftflow_fcn8s",
        deploy(semantic, geometric, channels, learned),
        berkeley.siftflow_inputs(),
        heads=[("_sem", "sem"), ("_geo", "geo")],
        base_lr=1e-14,
        test_images=200,
    )
