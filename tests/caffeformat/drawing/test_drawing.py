"""Pictures of nets: what is in them, and that no net or name breaks them."""

import itertools
from xml.etree import ElementTree

import pytest
from PIL import Image

from caffeformat import InputError, draw_network, parse_text, pb
from caffeformat.drawing.graph import NetGraph
from caffeformat.drawing.layout import lay_out, spread

SKIP_NET = """
name: "tiny"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 } }
layer { name: "pool" type: "Pooling" bottom: "conv2" top: "pool"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Deconvolution" bottom: "pool" top: "up"
  convolution_param { num_output: 8 kernel_size: 2 stride: 2 } }
layer { name: "crop" type: "Crop" bottom: "up" bottom: "data" top: "crop" crop_param { offset: 0 } }
layer { name: "fuse" type: "Eltwise" bottom: "crop" bottom: "conv2" top: "fuse" }
"""


def net_of(text):
    return parse_text(text, pb.NetParameter)


def texts(drawing):
    """All texts of the SVG, which must be well-formed."""
    root = ElementTree.fromstring(drawing.svg().encode())
    return [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]


def test_rows_boxes_and_edges_follow_the_net():
    graph = NetGraph(net_of(SKIP_NET))
    names = [[row.name for row in rows] for rows in graph.boxes]
    assert names == [["data"], ["conv1", "conv2"], ["pool"], ["up", "crop"], ["fuse"]]
    ends = [(names[e.source][-1], names[e.target][0]) for e in graph.edges]
    assert ends == [
        ("data", "conv1"), ("conv2", "pool"), ("pool", "up"), ("crop", "fuse"), ("conv2", "fuse"),
    ]  # fmt: skip
    assert [layer.name for layer in graph.boxes[1][0].layers] == ["conv1", "relu1"]


def test_a_picture_tells_settings_shapes_stride_and_receptive_field():
    found = texts(draw_network(net_of(SKIP_NET)))
    for expected in (
        "tiny", "conv 3×3, 8, pad 1 · ReLU", "8 × 32 × 32", "max pool 2×2, stride 2",
        "stride 2 · sees 6 px", "crop to data, offset 0", "deconv 2×2, 8, stride 2", "skip path",
    ):  # fmt: skip
        assert expected in found


def test_shapes_may_be_told():
    net = net_of(SKIP_NET)
    del net.layer[0]
    assert not [text for text in texts(draw_network(net)) if text.startswith("8 × ")]
    assert "8 × 20 × 24" in texts(draw_network(net, {"data": (1, 3, 20, 24)}))


def test_highlighted_layers_stand_out():
    plain, marked = (draw_network(net_of(SKIP_NET), highlight=h) for h in ((), ("fuse",)))
    assert "highlighted" in texts(marked) and "highlighted" not in texts(plain)
    assert "penwidth=2" in marked.dot() and "penwidth" not in plain.dot()
    assert draw_network(net_of(SKIP_NET), highlight=["fuze"]).notes


def test_names_are_escaped():
    nasty = '</text><script>"&\\ $x$\x01'
    net = pb.NetParameter(name=nasty)
    net.layer.add(name=nasty, type="ReLU", bottom=['a"b'], top=["c"])
    drawing = draw_network(net)
    assert any("<script>" in text for text in texts(drawing))
    assert "<script>" not in drawing.svg()
    assert '\\"&\\\\\\\\' not in drawing.dot() and '\\"&\\\\' in drawing.dot()


def test_a_layer_that_does_not_fit_leaves_a_note_and_a_picture():
    net = net_of(SKIP_NET)
    net.layer[4].pooling_param.kernel_size = 99
    drawing = draw_network(net)
    assert len(drawing.notes) == 1 and '"pool"' in drawing.notes[0]
    assert "8 × 32 × 32" in texts(drawing)
    net.layer[1].convolution_param.ClearField("kernel_size")
    assert "Convolution, (settings do not fit)" in " ".join(texts(draw_network(net)))


def test_a_net_without_layers_is_refused():
    with pytest.raises(InputError, match="no layers"):
        draw_network(pb.NetParameter())


def test_both_makers_of_a_blob_are_joined_to_its_user():
    net = net_of(
        'layer { name: "a" type: "Data" top: "x" include { phase: TRAIN } }'
        'layer { name: "b" type: "Data" top: "x" include { phase: TEST } }'
        'layer { name: "c" type: "InnerProduct" bottom: "x" top: "y" }'
    )
    assert [(e.source, e.target) for e in NetGraph(net).edges] == [(0, 2), (1, 2)]


@pytest.mark.parametrize("rankdir", ["TB", "BT", "LR", "RL"])
def test_directions(rankdir):
    def place(name):
        nodes = ElementTree.fromstring(draw_network(net_of(SKIP_NET), rankdir=rankdir).svg())
        (node,) = (n for n in nodes if n.text == name)
        return float(node.get("x")), float(node.get("y"))

    axis = 1 if rankdir in ("TB", "BT") else 0
    forward = place("data")[axis] < place("pool")[axis] < place("fuse")[axis]
    assert forward == (rankdir in ("TB", "LR"))


@pytest.mark.slow
def test_files(tmp_path):
    drawing = draw_network(net_of(SKIP_NET))
    for ending in ("svg", "png", "pdf", "dot"):
        drawing.save(tmp_path / f"net.{ending}", scale=1)
    with Image.open(tmp_path / "net.png") as image:
        assert abs(image.width - drawing.width) <= 1
        assert len(image.convert("RGB").getcolors(1 << 24)) > 20
    assert (tmp_path / "net.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(InputError, match=r"\.svg"):
        drawing.save(tmp_path / "net.jpg")


def test_boxes_do_not_overlap_and_edges_go_forward():
    # Twelve boxes, each joined to the next ones, and one that nothing joins
    edges = [(a, b) for a, b in itertools.combinations(range(12), 2) if (a * 7 + b) % 4 == 0]
    sizes = [(40 + 13 * n, 20 + n) for n in range(13)]
    layout = lay_out(sizes, edges)
    for rank in layout.ranks:
        places = sorted((layout.places[box].cross, sizes[box][0]) for box in rank)
        for (one, width), (two, other) in zip(places, places[1:]):
            assert two - one >= (width + other) / 2
    for (source, target), route in zip(edges, layout.routes):
        assert layout.places[source].flow < layout.places[target].flow
        flows = [flow for _, flow in route]
        assert flows == sorted(flows)


def test_spread_keeps_order_and_gaps():
    assert spread([0, 0, 10], [1, 1, 1], [4, 4]) == [-2, 2, 10]
    assert spread([5, 0], [3, 1], [2]) == pytest.approx([3.25, 5.25])


def test_deep_nets_are_drawn_in_bounded_time_and_size(tmp_path):
    net = pb.NetParameter(name="deep")
    net.layer.add(name="b0", type="Input", top=["b0"]).input_param.shape.add(dim=[1, 8, 16, 16])
    for n in range(150):
        conv = net.layer.add(name=f"c{n}", type="Convolution", bottom=[f"b{n}"], top=[f"c{n}"])
        conv.convolution_param.kernel_size.append(1)
        conv.convolution_param.num_output = 8
        net.layer.add(name=f"s{n}", type="Eltwise", bottom=[f"b{n}", f"c{n}"], top=[f"b{n + 1}"])
    drawing = draw_network(net)
    assert drawing.height > 10000 and len(texts(drawing)) > 600
