"""Errors reach a Python caller, a command line and another process, each in its own words."""

import pickle

import pytest

from caffeformat import FormatError, InputError, listed, reason


def test_a_format_error_survives_pickling():
    error = pickle.loads(pickle.dumps(FormatError("net.prototxt", "no such field", 3, 7)))
    assert isinstance(error, FormatError)
    assert str(error) == "net.prototxt:3:7: no such field"
    assert (error.source, error.line, error.column) == ("net.prototxt", 3, 7)


def test_an_input_error_is_its_text():
    error = InputError("a.png: {option} and {braces} stay")
    assert str(error) == error.for_command_line() == "a.png: {option} and {braces} stay"


@pytest.mark.parametrize(
    "value, in_python, on_the_command_line",
    [
        (320, "scale_to=320", "--scale-to 320"),
        ("my file", "scale_to='my file'", "--scale-to 'my file'"),
        (None, "scale_to=...", "--scale-to"),
        (True, "scale_to=True", "--scale-to"),
        ((3, 4), "scale_to=(3, 4)", "--scale-to 3 4"),
    ],
)
def test_an_option_is_spelled_as_the_caller_would(value, in_python, on_the_command_line):
    error = InputError("too large: pass {option}", option="scale_to", value=value)
    assert str(error) == f"too large: pass {in_python}"
    assert error.for_command_line() == f"too large: pass {on_the_command_line}"


def test_several_options_have_placeholders_of_their_names():
    error = InputError(
        "{x}: pass {weights} or {snapshot}", options={"weights": None, "snapshot": 1}
    )
    assert str(error) == "{x}: pass weights=... or snapshot=1"
    assert error.for_command_line() == "{x}: pass --weights or --snapshot 1"
    assert error.for_command_line({"weights": "--init"}) == "{x}: pass --init or --snapshot 1"


def test_a_value_is_not_searched_for_placeholders():
    error = InputError("{a} {b}", options={"a": "{b}", "b": 1})
    assert str(error) == "a='{b}' b=1"


def test_a_prefix_keeps_the_options():
    error = InputError("pass {option}", "force", True).prefixed("stage 2")
    assert str(error) == "stage 2: pass force=True"
    assert error.for_command_line() == "stage 2: pass --force"


def test_options_survive_pickling():
    errors = [
        InputError("pass {option}", option="scale_to", value=320),
        FormatError("a.json", "pass {scale_to}", options={"scale_to": 320}),
    ]
    for error in errors:
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.for_command_line() == error.for_command_line()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (None, "pass --scale-to 320, or --window 200 {now}"),
        (
            {"scale_to": "--scale-to", "window": "--window"},
            "pass --scale-to 320, or --window 200 {now}",
        ),
        ({"window": "-w"}, "pass -w 200 {now}"),
        ({"data": "--data"}, "pass a smaller image {now}"),
    ],
)
def test_of_several_options_those_that_there_are_are_named(flags, said):
    error = InputError(
        "pass {scale_to|window|a smaller image} {now}", options={"scale_to": 320, "window": 200}
    )
    assert error.for_command_line(flags) == said
    assert str(error) == "pass scale_to=320, or window=200 {now}"
    assert error.prefixed("a.png").for_command_line(flags) == f"a.png: {said}"


@pytest.mark.parametrize(
    ("names", "most", "expected"),
    [
        ([], 1, "nothing"),
        (["a"], 1, "a"),
        (["a", "b"], 1, "a and 1 more"),
        (["a", "b"], 2, "a, b"),
        (iter("abcde"), 3, "a, b, c and 2 more"),
    ],
)
def test_long_lists_are_cut_and_counted(names, most, expected):
    assert listed(names, most, "nothing") == expected


@pytest.mark.parametrize("length", [7000, 8100, 3_000_000])
def test_messages_hold_their_ends_however_much_is_quoted(length):
    text = "begin" + "9" * (length - 8) + "end"
    found = str(FormatError("a.prototxt", text).prefixed("net"))
    assert found.startswith("net: a.prototxt: begin") and found.endswith("end")
    assert len(found) < 8200 and found.count("characters)") == (length > 7000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cannot identify image file <_io.BytesIO object at 0x7fda9ba79990>",
         "cannot identify image file"),
        ("malformed node or string on line 1: <ast.Call object at 0x7F1304207c10>",
         "malformed node or string on line 1"),
        ("expected <name>: found 3", "expected <name>: found 3"),
    ],
)  # fmt: skip
def test_reasons_name_no_objects_of_python(text, words):
    assert reason(ValueError(text)) == words
