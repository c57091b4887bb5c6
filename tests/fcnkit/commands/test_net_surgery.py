"""The command net_surgery: from a caffemodel on disk to another, without an engine."""

import os
import subprocess
import sys

import numpy as np
import pytest

from caffeformat import Weights, read_caffemodel, write_caffemodel
from fcnkit import downloads
from fcnkit.commands import main, net_surgery

MODEL = """
name: "small"
layer {{ name: "data" type: "Input" top: "data"
        input_param {{ shape {{ dim: 1 dim: 2 dim: 4 dim: 4 }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param {{ num_output: 3 kernel_size: 3 pad: 1 }} }}
layer {{ name: "fc" type: "{type}" bottom: "conv" top: "fc" {settings} }}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a classifier, its weights and the FCN to make of it."""
    monkeypatch.chdir(tmp_path)
    random = np.random.RandomState(0)
    shapes = {"conv": [(3, 2, 3, 3), (3,)], "fc": [(5, 48), (5,)]}
    weights = Weights(
        {
            name: [random.standard_normal(shape).astype(np.float32) for shape in blobs]
            for name, blobs in shapes.items()
        }
    )
    write_caffemodel("small.caffemodel", weights)
    fc, conv = "inner_product_param { num_output: 5 }", "{ num_output: 5 kernel_size: 4 }"
    (tmp_path / "small.prototxt").write_text(MODEL.format(type="InnerProduct", settings=fc))
    (tmp_path / "fcn.prototxt").write_text(
        MODEL.format(type="Convolution", settings="convolution_param " + conv)
    )
    return tmp_path


def surgery(*arguments):
    return main.run_module(net_surgery, list(arguments))


def test_it_prints_each_blob_and_saves_into_the_current_folder(folder, capsys):
    assert surgery("--weights", "small.caffemodel", "--target", "fcn.prototxt") == 0
    out = capsys.readouterr().out
    assert "copying conv -> conv 0\n" in out
    assert "coercing fc 0 from (5, 48) to (5, 3, 4, 4)\n" in out
    assert "4 of 4 blobs come from small.caffemodel" in out
    before, after = read_caffemodel("small.caffemodel"), read_caffemodel("fcn.caffemodel")
    np.testing.assert_array_equal(after["fc"][0].reshape(5, 48), before["fc"][0])


def test_the_summary_names_what_got_nothing(folder, capsys):
    (folder / "fcn.prototxt").write_text(
        (folder / "fcn.prototxt").read_text().replace('name: "fc"', 'name: "score"')
    )
    assert surgery("--weights", "small.caffemodel", "--target", "fcn.prototxt") == 0
    out = capsys.readouterr().out
    assert "2 of 4 blobs come from small.caffemodel" in out
    assert "got nothing: score 0 (5, 3, 4, 4), now zeros (no filler)" in out


def test_an_existing_file_stays_unless_forced(folder, capsys):
    (folder / "fcn.caffemodel").write_bytes(b"mine")
    arguments = ["--weights", "small.caffemodel", "--target", "fcn.prototxt"]
    assert surgery(*arguments) == 1
    assert "fcn.caffemodel exists already" in capsys.readouterr().err
    assert (folder / "fcn.caffemodel").read_bytes() == b"mine"
    assert surgery(*arguments, "--force") == 0
    assert "fc" in read_caffemodel("fcn.caffemodel")


def test_names_can_be_mapped(folder, capsys):
    (folder / "fcn.prototxt").write_text(
        (folder / "fcn.prototxt").read_text().replace('name: "fc"', 'name: "score"')
    )
    arguments = ["--weights", "small.caffemodel", "--target", "fcn.prototxt"]
    assert surgery(*arguments, "--name-map", "fc=score") == 0
    assert "coercing fc -> score 0 from (5, 48) to (5, 3, 4, 4)" in capsys.readouterr().out


def test_weights_are_checked_against_their_model(folder, capsys):
    arguments = ["--weights", "small.caffemodel", "--target", "fcn.prototxt"]
    assert surgery(*arguments, "--model", "small.prototxt") == 0
    text = (folder / "small.prototxt").read_text().replace("num_output: 5", "num_output: 6")
    (folder / "small.prototxt").write_text(text)
    assert surgery(*arguments, "--model", "small.prototxt", "--output", "b.caffemodel") == 1
    error = capsys.readouterr().err
    assert "layer fc: expected (6, 48) (6,), found (5, 48) (5,)" in error
    assert not (folder / "b.caffemodel").exists()


def test_the_model_may_be_a_folder(folder, capsys):
    os.mkdir("mine")
    os.rename("small.prototxt", "mine/deploy.prototxt")
    arguments = ["--weights", "small.caffemodel", "--target", "fcn.prototxt", "--model"]
    assert surgery(*arguments, "mine") == 0
    assert surgery(*arguments, "yours", "--force") == 1
    assert "no network yours" in capsys.readouterr().err


def test_a_truncated_caffemodel_is_an_error_and_nothing_is_written(folder, capsys):
    whole = (folder / "small.caffemodel").read_bytes()
    (folder / "small.caffemodel").write_bytes(whole[: len(whole) // 2])
    assert surgery("--weights", "small.caffemodel", "--target", "fcn.prototxt") == 1
    assert "small.caffemodel" in capsys.readouterr().err
    assert not (folder / "fcn.caffemodel").exists()


def test_a_typo_in_the_target_is_named_with_its_line(folder, capsys):
    text = (folder / "fcn.prototxt").read_text().replace("kernel_size: 4", "kernl_size: 4")
    (folder / "fcn.prototxt").write_text(text)
    assert surgery("--weights", "small.caffemodel", "--target", "fcn.prototxt") == 1
    error = capsys.readouterr().err
    assert "fcn.prototxt:7" in error and "kernel_size" in error


def test_weights_with_other_names_are_an_error_that_lists_them(folder, capsys):
    write_caffemodel("other.caffemodel", Weights({"ip1": [np.zeros((5, 48), np.float32)]}))
    assert surgery("--weights", "other.caffemodel", "--target", "fcn.prototxt") == 1
    error = capsys.readouterr().err
    assert "the weights have: ip1" in error and "the target has: conv, fc" in error


def test_an_unknown_target_is_answered_with_the_networks_there_are(folder, capsys):
    assert surgery("--weights", "small.caffemodel", "--target", "fcn_alxnet") == 1
    assert "fcn_alexnet" in capsys.readouterr().err


def test_a_missing_target_file_is_named(folder, capsys):
    assert surgery("--weights", "small.caffemodel", "--target", "missing.prototxt") == 1
    assert "missing.prototxt" in capsys.readouterr().err


def test_a_deploy_file_is_known_by_its_folder(folder):
    (folder / "mine").mkdir()
    (folder / "fcn.prototxt").rename(folder / "mine" / "deploy.prototxt")
    assert surgery("--weights", "small.caffemodel", "--target", "mine/deploy.prototxt") == 0
    assert (folder / "mine.caffemodel").exists()


def test_a_target_may_read_its_images_from_a_database(folder):
    text = (folder / "fcn.prototxt").read_text()
    first = text.index("layer"), text.index('layer { name: "conv"')
    data = 'layer { name: "data" type: "Data" top: "data" include { phase: TEST } }\n'
    (folder / "fcn.prototxt").write_text(text[: first[0]] + data + text[first[1] :])
    write_caffemodel(
        "colour.caffemodel",
        Weights({"conv": [np.ones((3, 3, 3, 3), np.float32), np.ones(3, np.float32)]}),
    )
    assert surgery("--weights", "colour.caffemodel", "--target", "fcn.prototxt") == 0
    assert read_caffemodel("fcn.caffemodel")["conv"][0].shape == (3, 3, 3, 3)


def test_without_arguments_it_fetches_alexnet(folder, monkeypatch, capsys):
    asked = []

    def fetch(name, folder, progress):
        asked.append((name, folder))
        return "small.caffemodel"

    monkeypatch.setattr(downloads, "fetch", fetch)
    assert surgery() == 1
    assert asked == [("bvlc_alexnet", ".")]
    # The small weights are not AlexNet's, which is noticed before anything is written.
    assert "does not hold the weights of" in capsys.readouterr().err
    assert not (folder / "fcn_alexnet.caffemodel").exists()


def test_the_script_runs_from_any_folder_and_loads_no_engine(folder, repo):
    script = repo / "tools" / "net_surgery.py"
    assert os.access(script, os.X_OK)
    arguments = ["--weights", "small.caffemodel", "--target", "fcn.prototxt"]
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{str(script)!r}, *{arguments!r}]\n"
        "try:\n"
        f"    runpy.run_path({str(script)!r}, run_name='__main__')\n"
        "finally:\n"
        "    print('engines:', sorted({'torch', 'torchcaffe', 'caffe'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False
    )
    assert "Saving fcn to fcn.caffemodel" in done.stdout, done.stderr
    assert "engines: []" in done.stdout
    assert done.returncode == 0
