"""Options that contradict each other or lack what they need are refused, and nothing is done."""

import numpy as np
import pytest
from PIL import Image
from tiny_segmentation import net_text, write_solver

from caffeformat import Weights, write_caffemodel
from fcnkit import engine
from fcnkit.commands import main


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with a net, its solver, weights and an image's name, as the current one."""
    monkeypatch.chdir(tmp_path)
    write_solver(tmp_path, net_text())
    conv = [np.zeros((4, 3, 3, 3), np.float32), np.zeros(4, np.float32)]
    weights = Weights({"conv": conv, "fc": [np.zeros((5, 36), np.float32)], "norm": conv[1:]})
    write_caffemodel("w.caffemodel", weights)
    Image.new("RGB", (8, 8)).save("x.png")
    return tmp_path


NET = "--net net.prototxt --weights w.caffemodel"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("infer x.png -o out", "no network given: pass --net and --weights"),
        ("infer x.png -o out --net net.prototxt", "no network given"),
        ("infer x.png -o out --run a --digits-model b", "name two networks: pass one of them"),
        (f"infer x.png -o out {NET} --snapshot best", "--snapshot chooses weights of --run"),
        ("infer x.png -o out --run a --snapshot best --weights w.caffemodel",
         "--snapshot chooses weights of --run"),
        (f"infer x.png -o out {NET} --opacity 1.5", "--opacity 1.5: expected at most 1"),
        (f"infer x.png -o out {NET} --white 4095 --depth uint16",
         "--white makes images of 8 bits, --depth asks for uint16"),
        (f"infer x.png -o out {NET} --precision bfloat16 --runtime onnxruntime",
         "--precision bfloat16 is the engine's: pass no --runtime, or --runtime torch"),
        ("compare_models x.png --first a b --second c d --at-least 1.5",
         "--at-least 1.5: expected a share from 0 to 1"),
        ("train --data voc -o out", "a solver is missing: pass SOLVER, or --digits-model"),
        ("train solver.prototxt --data voc -o out --set base_lr",
         "--set base_lr: expected FIELD=VALUE"),
        ("train_stages solver.prototxt --data voc", "there is no folder for the results"),
        ("train_stages solver.prototxt --data voc -o out --resume --force",
         "--resume continues an earlier run, --force removes it"),
        ("train_stages solver.prototxt --data voc -o out --dry-run", "pass --recipe"),
        ("train_stages solver.prototxt --data voc -o out --set epochs=2",
         "--set changes a recipe: pass --recipe"),
        ("train_stages solver.prototxt -o out", "expected one dataset folder, found none"),
        ("train_stages solver.prototxt --data voc -o out --base-lr 0.1,0.2",
         "--base-lr 0.1,0.2: expected one value, or 1, one per stage"),
        ("train_stages solver.prototxt --recipe gluoncv --data voc=a -o out",
         "--recipe names the stages itself"),
        ("train_stages --recipe no_such_recipe --data voc=a -o out",
         "there is no recipe no_such_recipe"),
        ("edit_weights rename w.caffemodel o.caffemodel conv", "expected OLD=NEW, found 'conv'"),
        ("edit_weights rename w.caffemodel o.caffemodel conv=a fc=a",
         "two layers would be called a"),
        ("edit_weights rename w.caffemodel o.caffemodel conv=a conv=b", "would get two names"),
        ("edit_weights convolution w.caffemodel o.caffemodel fc 6by6",
         "kernel '6by6': expected HxW, such as 6x6"),
        ("edit_weights channels w.caffemodel o.caffemodel norm 4",
         "layer norm: weights of shape (4,) are not kernels"),
        ("edit_weights channels w.caffemodel o.caffemodel none 4",
         "no layer none in the weights; they have conv, fc, norm"),
        ("create_lmdb voc out --val-percent 100", "--val-percent 100: expected 0 to 99"),
        ("score --images . --labels . --processes 2 --precision bfloat16 " + NET, "float32 only"),
        ("export net.prototxt w.caffemodel out.h5 --int8 --calibrate x",
         "--int8 and --half are for .onnx and --folder"),
        ("export net.prototxt w.caffemodel out.h5 --labels x", "--labels is for --int8 and --half"),
        ("export net.prototxt w.caffemodel out.h5 --licence mit", "--licence is for model folders"),
        ("export net.prototxt w.caffemodel out.onnx --int8 --half",
         "are two precisions: pass one of them"),
    ],
)  # fmt: skip
def test_the_command_says_what_to_pass(here, capsys, command, words):
    if "--precision" in command and engine.name() == "bvlc":
        words = "error: the engine 'bvlc' computes in"
    before = sorted(path.name for path in here.iterdir())
    try:
        status = main.main(command.split())
    except SystemExit as ended:
        status = ended.code
    told = capsys.readouterr().err
    assert status and words in told and "Traceback" not in told, told
    assert sorted(path.name for path in here.iterdir()) == before
