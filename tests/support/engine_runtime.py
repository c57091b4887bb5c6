"""The runtime of inference that is the chosen engine itself."""

from fcnkit import engine


def of_the_engine():
    """`torch` for torchcaffe; `auto` stays on BVLC Caffe where that is chosen."""
    return "torch" if engine.name() == "torch" else "auto"
