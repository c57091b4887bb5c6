"""What docs/from_bvlc_caffe.md says of both engines is what they do."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from own_processes import module

pytest.importorskip("torch")
pytestmark = pytest.mark.bvlc

SCRIPT = Path(__file__).with_name("known_differences.py")
ENDED = "the process ended"
# case of the script -> (BVLC Caffe, torchcaffe)
EXPECTED = {
    "in_place_chain_has_the_right_gradient": (False, True),
    "sum_in_place": (False, True),
    "lrn_in_place": (False, True),
    "layers_that_overwrite_what_their_gradient_needs": (
        ["Sigmoid"],
        ["BNLL", "Clip", "Log", "MVN", "ReLU", "Sigmoid"],
    ),
    "flatten_in_place": (ENDED, "a net"),
    "gradient_passes_reshape_and_flatten": (False, True),
    "gradient_passes_lstm_and_flatten": (False, True),
    "second_top_of_a_loss_without_loss_weight": (ENDED, "a net"),
    "weights_of_layers_of_one_name": ([3.0, 0.0], [2.0, 3.0]),
    "accuracy_under_force_backward": (ENDED, 0),
    "product_gradient_at_zeros_is_finite": (False, True),
    "label_past_the_classes": ("a loss", "InputError"),
    "field_of_a_fork": (ENDED, "a net"),
    "blobs_in_a_prototxt": ("a net", "InputError"),
    "python_layer_of_any_module": ("a net", "InputError"),
    "solver_net_beside_the_solver": (ENDED, "a solver"),
    "snapshot_prefix_in_no_folder": (ENDED, "InputError"),
    "axes_of_the_labels_of_memory_data": (4, 1),
    "weights_of_a_test_net_before_its_first_test": (False, True),
    "sigmoid_that_falls": (ENDED, "a step"),
    "policy_without_its_fields": ("a step", "InputError"),
}


def test_known_differences_are_as_they_are_told(bvlc_root, repo, tmp_path):
    bvlc = [repo / "scripts/bvlc_run.sh", "-b", tmp_path, bvlc_root, "python3"]
    torch = module("torchcaffe")
    found = []
    for name, command in (("bvlc", bvlc), ("torch", torch)):
        folder = tmp_path / name
        folder.mkdir()
        subprocess.run(
            [*map(str, command), str(SCRIPT), "found.json"],
            cwd=folder,
            env={**os.environ, "GLOG_minloglevel": "3"},
            check=True,
        )
        found.append(json.loads((folder / "found.json").read_text()))
    assert dict(zip(found[0], zip(*(each.values() for each in found)))) == EXPECTED
