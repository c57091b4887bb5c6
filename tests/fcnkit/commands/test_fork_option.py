import types

import numpy as np
import pytest
from PIL import Image

from caffeformat import pb, read_net
from caffeformat.messages.schema import fork_messages
from fcnkit.commands import infer, main, net_surgery, score, train
from fcnkit.commands.arguments import basics


def _command(run):
    """A command that reads nets of forks and does `run`."""
    return types.SimpleNamespace(__doc__="Reads.", add_arguments=basics.add_fork, run=run)


def test_a_command_reads_binary_nets_of_the_fork_it_is_told(tmp_path):
    net = fork_messages("pspnet").NetParameter()
    net.layer.add(name="up", type="Interp").interp_param.zoom_factor = 8
    path = tmp_path / "net.caffemodel"
    path.write_bytes(net.SerializeToString())
    seen = []
    command = _command(lambda args: seen.append(read_net(path).layer[0].interp_param))
    assert main.run_module(command, ["--fork", "pspnet"]) == 0
    assert seen == [pb.InterpParameter(zoom_factor=8)]


def test_a_command_tells_once_which_fields_of_forks_it_ignores(tmp_path, capsys):
    path = tmp_path / "net.prototxt"
    path.write_text('layer { name: "a" type: "Data" transform_param { crop_h: 3 } }')
    command = _command(lambda args: [read_net(path) for _ in range(3)] and 0)
    assert main.run_module(command, []) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {path}: fields of Caffe's forks") and "crop_h" in line


@pytest.mark.parametrize("module", [infer, net_surgery, score, train])
def test_commands_that_read_nets_take_the_fork(module, capsys):
    with pytest.raises(SystemExit) as ended:
        main.run_module(module, ["--help"])
    assert ended.value.code == 0 and "--fork" in capsys.readouterr().out


@pytest.mark.slow
def test_images_are_segmented_by_a_binary_net_of_a_fork(tmp_path):
    pytest.importorskip("torch")
    net = fork_messages("pspnet").NetParameter(input=["data"], input_dim=[1, 3, 9, 9])
    conv = net.layer.add(name="conv", type="Convolution", bottom=["data"], top=["conv"])
    conv.convolution_param.num_output = 2
    conv.convolution_param.kernel_size.append(1)
    conv.convolution_param.bias_term = False
    # The first class where blue is most, the second where red is (the last of B, G, R).
    conv.blobs.add(data=[1, 0, 0, 0, 0, 1]).shape.dim.extend([2, 3, 1, 1])
    score = net.layer.add(name="score", type="Interp", bottom=["conv"], top=["score"])
    score.interp_param.shrink_factor = score.interp_param.zoom_factor = 2
    path = str(tmp_path / "net.caffemodel")
    with open(path, "wb") as file:
        file.write(net.SerializeToString())
    image = np.zeros((9, 9, 3), np.uint8)
    image[:, :5, 2] = image[:, 5:, 0] = 255
    Image.fromarray(image).save(tmp_path / "image.png")
    command = [str(tmp_path / "image.png"), "-o", str(tmp_path / "out"), "--net", path]
    assert main.run_module(infer, [*command, "--weights", path, "--fork", "pspnet"]) == 0
    (mask,) = (tmp_path / "out").glob("**/image.png")
    classes = np.array(Image.open(mask))
    assert (classes[:, :4] == 0).all() and (classes[:, 6:] == 1).all()
