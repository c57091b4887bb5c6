"""How numbers of this engine are compared with BVLC Caffe's."""

import numpy as np


def assert_close(ours, caffes, what, relative=1e-4, absolute=1e-5):
    """|ours - Caffe's| <= absolute + relative * max(|Caffe's|, 1% of the array's largest)."""
    ours, caffes = np.asarray(ours), np.asarray(caffes)
    assert ours.shape == caffes.shape, f"{what}: shape {ours.shape}, in Caffe {caffes.shape}"
    if not caffes.size:
        return
    assert (np.isnan(ours) == np.isnan(caffes)).all(), f"{what}: NaN in other places"
    finite = caffes[np.isfinite(caffes)]
    largest = np.abs(finite).max() if finite.size else 0.0
    bound = absolute + relative * np.maximum(np.abs(caffes), 0.01 * largest)
    with np.errstate(invalid="ignore"):
        excess = np.where(ours == caffes, 0, np.abs(ours - caffes)) - bound
    worst = np.unravel_index(np.nanargmax(excess), excess.shape) if caffes.ndim else ()
    assert not (excess > 0).any(), f"{what}{list(worst)}: {ours[worst]}, in Caffe {caffes[worst]}"
