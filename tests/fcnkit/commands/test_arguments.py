"""Rules for the arguments of all commands: one way to say a thing."""

import argparse
import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from caffeformat import InputError
from fcnkit import zoo
from fcnkit.commands import export, main
from fcnkit.commands.arguments import network
from fcnkit.commands.arguments.basics import CommandParser, add_output_position

REPO = Path(__file__).resolve().parents[3]
GROUPS = ["input", "output", "network", "data", "options", "evaluation", "engine"]

# Options that mean something else in these commands, or take more there.
DIFFERENT = {
    "--at-least": {"compare_models"},  # a share of pixels, not the probability of one
    "--augment": {"check_dataset"},  # shown, not trained with
    "--base-lr": {"train_stages"},  # one value, or one per stage
    "--iterations": {"train_stages"},
    "--channels": {"net_surgery"},  # of the net, not of images
    "--data": {"train_stages"},  # required
    "--force": {"train", "train_stages"},  # what is there goes later than elsewhere
    # Of the trainings that the server starts, repeated; several, a process for each
    "--gpu": {"serve", "train", "train_stages", "score"},
    "--host": {"serve"},  # asks for a password, too
    "--images": "all",  # its help says of what: instead of a dataset, or beside it
    "--input-size": {"convert_weights"},  # of the deploy file; fixed in a model elsewhere
    "--label-folder": {"prepare_data"},  # found by itself, but where there are several
    "--labels": {"create_lmdb", "check_dataset"},
    "--name": "all",  # its help says of what
    "--net": {"net_surgery", "edit_weights"},  # the network of weights, not of images
    "--output": "all",  # its help says what is written
    "--phase": {"draw_net"},  # ALL, too
    "--run": {"export"},  # takes no net from it
    "--snapshot": {"train"},  # a file to continue from; elsewhere one of --run
    "--set": {"train_stages"},  # a key of the recipe, not a field of the solver
    "--seed": {"train", "train_stages"},  # by default the solver's
    "--sets": "all",  # its help says which sets there are
    "--sheet": "all",  # its help says what is on it
    "--sheet-rows": {"prepare_data"},  # of pairs, not of parts
    "--split": {"prepare_sbd_data"},  # a choice of lists
    "--val-percent": {"create_lmdb"},  # of training images, where validation has no folder
    "--weights": {"train", "train_stages"},  # weights to start from
    "--worst": {"compare_models"},  # listed, not drawn
}

# A command of its own, the text that net_surgery leaves for those who use the commands next, and
# the workbench, whose jobs are commands.
SPEAK_OF_OPTIONS = (
    "zoo/__main__.py",
    "surgery/automatic/inputs.py",
    "web/app.py",  # the pages of `preview`, whose options they advise
    "workbench/",
)


def _parsers():
    """(command, its parser, or those of its edits) of all commands."""
    for name, module in main.COMMANDS.items():
        parser = main.command_parser(importlib.import_module(module), f"fcnkit {name}")
        inner = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        yield name, parser
        for action in inner:
            yield from ((f"{name} {edit}", sub) for edit, sub in action.choices.items())


PARSERS = dict(_parsers())


def _actions(parser):
    return [
        action
        for action in parser._actions
        if not isinstance(action, (argparse._HelpAction, argparse._SubParsersAction))
    ]


def _meaning(action):
    """What must be equal wherever an option occurs: all but its default."""
    text = re.sub(r" ?\(default: [^()]*(\([^()]*\)[^()]*)*\)", "", action.help)
    return text, action.nargs, action.choices and list(action.choices), action.metavar


@pytest.mark.parametrize("name", PARSERS)
def test_help_has_the_same_groups_in_the_same_order(name):
    parser = PARSERS[name]
    assert isinstance(parser, CommandParser)
    titles = [group.title for group in parser._action_groups if group._group_actions]
    expected = [title for title in [*GROUPS, "edits"] if title in titles]
    assert titles == expected
    parser.format_help()


@pytest.mark.parametrize("name", PARSERS)
def test_help_is_lower_case_without_a_full_stop_and_tells_defaults(name):
    for action in _actions(PARSERS[name]):
        assert action.help, action.dest
        assert not action.help.endswith("."), action.help
        first = action.help.split()[0]
        assert (
            first[0].islower()
            or first[0] in ".-%"
            or first.upper() == first
            or (
                first.endswith("'s") or "." in first or first in ("VOCtrainval", "PASCAL-Context's")
            )
        ), action.help
        has_default = (
            action.default not in (None, False, argparse.SUPPRESS) and action.default != []
        )
        if has_default:
            assert "(default: " in action.help, (name, action.option_strings, action.help)


@pytest.mark.parametrize("name", PARSERS)
def test_output_has_its_short_form(name):
    for action in _actions(PARSERS[name]):
        assert ("-o" in action.option_strings) == ("--output" in action.option_strings)


def test_options_of_the_same_name_mean_the_same():
    meanings = {}
    for name, parser in PARSERS.items():
        for action in _actions(parser):
            if not action.option_strings:
                continue
            option = next(text for text in action.option_strings if text.startswith("--"))
            different = DIFFERENT.get(option, ())
            if different != "all" and name.split()[0] not in different:
                meanings.setdefault(option, {}).setdefault(repr(_meaning(action)), []).append(name)
    wrong = {option: found for option, found in meanings.items() if len(found) > 1}
    assert not wrong, "\n".join(f"{option}: {found}" for option, found in wrong.items())


def test_commands_leave_their_arguments_as_they_are():
    wrong = []
    for path in sorted((REPO / "fcnkit" / "commands").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if re.search(r"\bargs\.[^\n]*(=| in )", text) else ():
            targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
            wrong += [
                f"{path.name}:{node.lineno}"
                for target in targets
                if isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id == "args"
            ]
    assert not wrong


_OPTION = re.compile(r"(?<![\w-])--[a-z]")


def test_only_commands_know_options():
    """A message of the library names its parameters; `InputError` makes options of them."""
    wrong = []
    for path in sorted((REPO / "fcnkit").rglob("*.py")):
        name = path.relative_to(REPO / "fcnkit").as_posix()
        if name.startswith(("commands/", *SPEAK_OF_OPTIONS)):
            continue
        text = path.read_text(encoding="utf-8")
        if not _OPTION.search(text):
            continue
        tree = ast.parse(text)
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        wrong += [
            f"{path.relative_to(REPO)}:{node.lineno}: {node.value!r}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
            and _OPTION.search(node.value)
        ]
    assert not wrong, "\n".join(wrong)


def test_the_list_of_commands_imports_none_of_them():
    script = (
        "import sys; from fcnkit.commands import main\n"
        "try: main.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in sys.modules if m in ('torch', 'caffe', 'scipy') or "
        "m in main.COMMANDS.values()])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr
    for name in main.COMMANDS:
        assert re.search(rf"^  {name} +{re.escape(main.summary(name))}$", done.stdout, re.M)


@pytest.mark.parametrize("name", main.COMMANDS)
def test_a_command_says_what_it_does_in_one_line(name):
    text = main.summary(name)
    assert text[0].isupper() and len(text) <= 95, text


def test_a_network_is_a_file_a_folder_or_a_name(tmp_path):
    path, name = zoo.network_file("fcn8s_vgg16_bn")
    assert name == "fcn8s_vgg16_bn" and path.endswith("fcn8s_vgg16_bn/deploy.prototxt")
    assert zoo.network_file(path) == (path, name)
    folder = path.rpartition("/")[0]
    assert zoo.network_file(folder) == (path, name)
    assert network.net_path(folder) == path
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "other.prototxt").write_text("")
    with pytest.raises(InputError, match="in this folder, found other"):
        zoo.network_file(tmp_path / "mine")
    with pytest.raises(InputError, match="no network fcn9s"):
        zoo.network_file("fcn9s")
    assert zoo.network_file("gone.prototxt") == ("gone.prototxt", "gone")


def test_errors_name_the_option_of_the_command(capsys):
    class Command:
        """Fails."""

        @staticmethod
        def add_arguments(parser):
            parser.input.option("--run", "run", dest="run_folder")
            parser.output.option("output", "output", "OUTPUT", nargs="?")

        @staticmethod
        def run(args):
            options = {"run_folder": "x", "output": None, "scale_to": 320}
            raise InputError("pass {run_folder}, {output} or {scale_to}", options=options)

    assert main.run_module(Command, []) == 1
    assert capsys.readouterr().err == "error: pass --run x, OUTPUT or --scale-to 320\n"


def test_output_is_a_position_or_an_option():
    parser = CommandParser(prog="convert")
    parser.input.option("source", "what to convert", "INPUT")
    add_output_position(parser, "file to write")
    assert parser.parse_args(["a", "b"]).output == "b"
    for written in (["-o", "b", "a"], ["a", "--output=b"]):
        again = CommandParser(prog="convert")
        again.input.option("source", "what to convert", "INPUT")
        add_output_position(again, "file to write")
        assert again.parse_args(written).output == "b"
    with pytest.raises(SystemExit):
        parser.parse_args(["a"])


@pytest.mark.parametrize(
    "written, found",
    [
        ("net weights out", ("net", "weights", "out")),
        ("net --force weights out", ("net", "weights", "out")),
        ("--force net weights out", ("net", "weights", "out")),
        ("--run r out", (None, None, "out")),
        ("out --run r", (None, None, "out")),
        ("net out --run r", ("net", None, "out")),
        ("--run r -o out", (None, None, "out")),
        ("net --output=out --force weights", ("net", "weights", "out")),
        ("-o out --run r net", ("net", None, "out")),
        ("--run r net weights --force -oout", ("net", "weights", "out")),
        ("--run r net --outpu=out weights", ("net", "weights", "out")),
    ],
)
def test_a_run_takes_the_place_of_positions(written, found):
    parser = CommandParser(prog="export")
    export.add_arguments(parser)
    args = parser.parse_args(written.split())
    assert (args.net, args.weights, args.output) == found


def test_stages_are_trained_with_nothing_that_one_net_is_not():
    """What `train_stages` takes beside its recipes, `train` takes, too."""
    own = {"--recipe", "--dry-run"}
    options = [
        {text for action in _actions(PARSERS[name]) for text in action.option_strings}
        for name in ("train_stages", "train")
    ]
    assert options[0] - options[1] == own
