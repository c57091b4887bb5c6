"""Prototxt is read with errors that help, and written so that it reads back equal."""

import pytest

from caffeformat import (
    FormatError,
    InputError,
    format_text,
    parse_text,
    pb,
    read_net,
    read_solver,
    read_text,
    write_text,
)


@pytest.mark.parametrize(
    "text, line, column, words",
    [
        ('layer {\n  nam: "a"\n}', 2, 3, 'Did you mean "name"?'),
        ("layer { phase: TRIAN }", 1, 16, 'Did you mean "TRAIN"?'),
        ("layer { pooling_param { pool: max } }", 1, 31, 'Did you mean "MAX"?'),
        ("layer { kernel_size: 3 }", 1, 9, "inside convolution_param, pooling_param"),
        ('layer { name: "a" name: "b" }', 1, 25, '"name" is given twice'),
        ("layer { crop_param { axis: 2 } crop_param { axis: 1 } }", 1, 43, "given twice"),
        ('\nlayer {\n  name: "a"\n', 3, 9, "brace opened on line 2 is never closed"),
        ('layer { name: "}" ', 1, 15, "brace opened on line 1 is never closed"),
        ("layer {\n pooling_param { pad: 1 }\nlayer { }", 3, 1, "opened on line 1 closed too late"),
        ("layer { } }", 1, 11, "closing brace without an opening one"),
        ("layer { pooling_param { pad: -1 } }", 1, 30, "out of range"),
        ("layer {" * 5000, 1, 8, 'no field "layer"'),
        ("input_dim: " + "[" * 5000, 1, 13, "integer"),
    ],
)
def test_errors_say_where_and_what_was_meant(text, line, column, words):
    with pytest.raises(FormatError, match=r"net\.prototxt:") as caught:
        parse_text(text, pb.NetParameter, source="net.prototxt")
    assert words in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_a_missing_required_field_is_named():
    with pytest.raises(FormatError, match=r"layer\[0\].clip_param.max"):
        parse_text("layer { clip_param { min: 1 } }", pb.NetParameter)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "empty"),
        (b"# only a comment\n", "empty"),
        (b'name: "a"\nlayer { name: "\xff" }', "2:16: byte 0xff is not UTF-8"),
        (b"\x0a\x05small\xa2\x06\x00", "binary file"),
    ],
)
def test_files_that_are_no_text(tmp_path, content, words):
    path = tmp_path / "net.prototxt"
    path.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        read_text(path, pb.NetParameter)
    assert words in str(caught.value) and str(path) in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.prototxt", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            read_text(path, pb.NetParameter)


def test_text_looks_as_caffe_writes_it():
    net = pb.NetParameter(name='say "é"\n', force_backward=True)
    net.layer.add(name="a", phase=pb.TEST).param.add(lr_mult=1, decay_mult=1e-4)
    net.layer[0].pooling_param.pool = pb.PoolingParameter.AVE
    net.layer[0].dropout_param.dropout_ratio = 0.1
    assert format_text(net) == (
        'name: "say \\"é\\"\\n"\nforce_backward: true\nlayer {\n  name: "a"\n  param {\n'
        "    lr_mult: 1\n    decay_mult: 0.0001\n  }\n  phase: TEST\n  dropout_param {\n"
        "    dropout_ratio: 0.1\n  }\n  pooling_param {\n    pool: AVE\n  }\n}\n"
    )


def test_what_was_written_reads_back(tmp_path):
    path = tmp_path / "solver.prototxt"
    solver = pb.SolverParameter(base_lr=1e-10, gamma=1 / 3, test_iter=[1, 2], net="n.prototxt")
    write_text(path, solver)
    assert read_text(path, pb.SolverParameter) == solver


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
@pytest.mark.parametrize("read", [read_net, read_solver, lambda path: read_text(path, pb.Datum)])
def test_texts_in_utf_16_say_so(tmp_path, encoding, read):
    start = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "net.prototxt").write_bytes((start + 'name: "a"').encode(encoding))
    with pytest.raises(FormatError, match="the text is UTF-16; save the file as UTF-8"):
        read(tmp_path / "net.prototxt")
