"""Rules of the house: imports run down and end at faces, faces load no engine, rooms are small."""

import ast
import configparser
import functools
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fcnkit.commands.main import COMMANDS

REPO = Path(__file__).resolve().parent.parent

# From the ground up. A room may import from rooms of lower floors, through their faces, and from
# nothing else of the project. `package.room` is a folder or a single module.
FLOORS = [
    {"caffeformat.errors", "caffeformat.numerals"},
    {"caffeformat.apart", "caffeformat.files", "caffeformat.memory", "caffeformat.processes"},
    {"caffeformat.messages"},
    {"caffeformat.databases", "caffeformat.geometry", "caffeformat.weights"},
    {"caffeformat.drawing", "caffeformat.exchange"},
    {"caffeformat"},
    {"torchcaffe.alias"},
    {"torchcaffe.core", "torchcaffe.net_spec", "torchcaffe.proto"},
    {"torchcaffe.data", "torchcaffe.log"},
    {"torchcaffe.layers"},
    {"torchcaffe.nets"},
    {"torchcaffe.solvers"},
    {"torchcaffe.coord_map", "torchcaffe.draw", "torchcaffe.export", "torchcaffe.io"},
    {"torchcaffe.classifier"},
    {"torchcaffe.detector"},
    {"torchcaffe"},
    {"torchcaffe.commands"},
    {"fcnkit.progress", "fcnkit.losses"},
    {"fcnkit.files", "fcnkit.nets", "fcnkit.zoo"},
    {"fcnkit.downloads", "fcnkit.images", "fcnkit.jobs"},
    {"fcnkit.engine", "fcnkit.surgery"},
    {"fcnkit.datasets", "fcnkit.runtimes", "fcnkit.state_dicts"},
    {"fcnkit.data_layers", "fcnkit.data_prep", "fcnkit.inference", "fcnkit.loss_layers"},
    {"fcnkit.export"},
    {"fcnkit.training"},
    {"fcnkit.digits", "fcnkit.web"},
    {"fcnkit.demo", "fcnkit.workbench"},
    {"fcnkit"},
    {"fcnkit.commands"},
    {"berkeley_layers"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
PACKAGES = ("caffeformat", "torchcaffe", "fcnkit")
MOST_MODULES = {"caffeformat": 6, "torchcaffe": 20, "fcnkit": 8}
MOST_PARAMETERS = 10
# Rooms that need the extra `web`.
PAGES = ("fcnkit.web", "fcnkit.workbench")
# Where the engine door hands over to torchcaffe; Python layers name the class of an engine's
# layers as their base, for type checkers only.
KNOW_TORCHCAFFE = ("fcnkit/engine/", "fcnkit/data_layers.py", "fcnkit/datasets/berkeley.py",
                    "fcnkit/loss_layers.py")  # fmt: skip


@functools.cache
def _modules():
    """{dotted name: path} of every module of the product."""
    found = {}
    for package in PACKAGES:
        for path in sorted((REPO / package).rglob("*.py")):
            parts = path.relative_to(REPO).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _files():
    """(path, module, is a package) of every file whose imports are held against the rules."""
    for module, path in _modules().items():
        yield path, module, path.name == "__init__.py"
    for path in sorted((REPO / "berkeley_layers").glob("*.py")):
        yield path, f"berkeley_layers.{path.stem}", False


def _room(module):
    """The room that a module belongs to: `fcnkit.images` for `fcnkit.images.palette`."""
    parts = module.split(".")
    if parts[1:] == ["__main__"]:
        return f"{parts[0]}.commands"
    return parts[0] if parts[0] == "berkeley_layers" else ".".join(parts[:2])


@functools.cache
def _import_nodes(path):
    """The import statements of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]


def _imports(path, module, is_package):
    """(line, module, name or None) of every import of the project's own modules."""
    for node in _import_nodes(path):
        if isinstance(node, ast.Import):
            names = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".") if is_package else module.split(".")[:-1]
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, *([node.module] if node.module else [])])
            names = [(base, alias.name) for alias in node.names]
        else:
            continue
        for target, name in names:
            if target.split(".")[0] in PACKAGES:
                yield node.lineno, target, name


def _target(target, name):
    """The module that `from target import name` takes something from."""
    return f"{target}.{name}" if f"{target}.{name}" in _modules() else target


@functools.cache
def _face(package):
    """`__all__` of a package, read from its text."""
    for node in ast.parse(_modules()[package].read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return {element.value for element in node.value.elts}
    return set()


def _is_package(module):
    return _modules()[module].name == "__init__.py"


def test_every_room_has_a_floor():
    rooms = {_room(module) for module in _modules()}
    assert rooms - set(FLOOR) == set()
    assert set(FLOOR) - rooms == {"berkeley_layers"}


def test_imports_run_down_only():
    wrong = []
    for path, module, is_package in _files():
        for line, target, name in _imports(path, module, is_package):
            mine, theirs = _room(module), _room(_target(target, name))
            if mine != theirs and FLOOR[theirs] >= FLOOR[mine]:
                wrong.append(f"{path.relative_to(REPO)}:{line} imports {theirs}")
    assert not wrong, "\n".join(wrong)


def test_other_rooms_are_entered_through_their_faces():
    wrong = []
    for path, module, is_package in _files():
        for line, target, name in _imports(path, module, is_package):
            if _room(_target(target, name)) == _room(module):
                continue
            if target.count(".") <= 1 and _is_package(target):
                is_face = name in _face(target) or _room(f"{target}.{name}") == f"{target}.{name}"
            else:
                is_face = target.count(".") == 1
            if not is_face:
                wrong.append(f"{path.relative_to(REPO)}:{line} takes {name} from {target}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", [name for name in _modules() if _is_package(name)])
def test_faces_name_what_they_show(package):
    if package in ("torchcaffe.proto", "fcnkit.commands") or package.count(".") > 1:
        return
    face = _face(package)
    assert face, f"{package} has no __all__"
    if package.split(".")[0] != "fcnkit" or package in PAGES:
        return
    shown = importlib.import_module(package)
    assert not {name for name in face if getattr(shown, name, None) is None}


def test_no_face_loads_an_engine():
    faces = [name for name in _modules() if _is_package(name) and not name.startswith("torchcaffe")]
    faces = [name for name in faces if not name.startswith(PAGES)]  # their extra may be absent
    script = (
        f"import importlib, sys\nfor name in {faces!r}:\n    importlib.import_module(name)\n"
        "    loaded = {'torch', 'caffe', 'torchcaffe'} & set(sys.modules)\n"
        "    assert not loaded, (name, loaded)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_create_lmdb_loads_no_other_preparation():
    # Each of its processes would hold what it does not use.
    others = ("check", "layouts")
    script = (
        "import sys\nfrom fcnkit.data_prep import create_lmdb\n"
        f"loaded = {{'fcnkit.data_prep.' + name for name in {others!r}}} & set(sys.modules)\n"
        "loaded |= {'PIL.ImageDraw', 'PIL.ImageFont'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_few_modules_lie_loose(package):
    loose = [path.name for path in (REPO / package).glob("*.py")]
    assert len(loose) <= MOST_MODULES[package], sorted(loose)


def test_only_the_engine_door_knows_torchcaffe():
    users = {
        path.relative_to(REPO).as_posix()
        for path, module, is_package in _files()
        if module.startswith("fcnkit")
        for _, target, _ in _imports(path, module, is_package)
        if target.split(".")[0] == "torchcaffe"
    }
    assert all(user.startswith(KNOW_TORCHCAFFE) for user in users), users


def test_only_torchcaffe_imports_torch():
    users = {
        module.split(".")[0]
        for path, module, _ in _files()
        if re.search(r"^\s*(import|from) torch\b", path.read_text(encoding="utf-8"), re.M)
    }
    assert users <= {"torchcaffe"}


def _public_callables():
    for package in ("caffeformat", "fcnkit"):
        for info in pkgutil.walk_packages([str(REPO / package)], f"{package}."):
            if info.name.endswith("__main__") or info.name.startswith(PAGES):
                continue
            if info.name in ("fcnkit.data_layers", "fcnkit.datasets.berkeley"):
                continue  # these load an engine
            module = importlib.import_module(info.name)
            for name, value in vars(module).items():
                if name.startswith("_") or getattr(value, "__module__", "") != info.name:
                    continue
                if inspect.isfunction(value):
                    yield f"{info.name}.{name}", value
                elif inspect.isclass(value):
                    for method, function in vars(value).items():
                        is_settings = hasattr(value, "__dataclass_fields__")
                        is_settings = is_settings or hasattr(value, "_fields")
                        if method == "__init__" and is_settings:
                            continue
                        if inspect.isfunction(function) and (
                            method == "__init__" or not method.startswith("_")
                        ):
                            yield f"{info.name}.{name}.{method}", function


def test_no_public_function_takes_many_parameters():
    wrong = {}
    for name, function in _public_callables():
        parameters = [key for key in inspect.signature(function).parameters if key != "self"]
        if len(parameters) > MOST_PARAMETERS:
            wrong[name] = len(parameters)
    assert not wrong


def test_every_command_is_listed_and_can_be_started_by_path():
    found = {
        path.stem
        for path in (REPO / "fcnkit" / "commands").glob("*.py")
        if {"add_arguments", "run"}
        <= {
            node.name
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef)
        }
    }
    assert found == set(COMMANDS)
    scripts = {
        path.stem: path for room in ("tools", "data_prep") for path in (REPO / room).glob("*.py")
    }
    assert set(scripts) <= set(COMMANDS)
    for name, path in scripts.items():
        text = path.read_text(encoding="utf-8")
        assert f'main(["{name}", *sys.argv[1:]])' in text and len(text.splitlines()) < 10


def test_no_module_of_the_product_passes_for_a_test():
    named = [name for name in _modules() if re.search(r"(^|\.)test_|_test$", name)]
    assert not named, "collected and left out of coverage by the habits of test runners"


def test_the_distribution_holds_every_package():
    setup = configparser.ConfigParser()
    setup.read(REPO / "setup.cfg")
    listed = setup["options"]["packages"].split()
    there = {name for name in _modules() if _is_package(name)} | {"fcnkit.zoo.prototxt"}
    assert set(listed) == there


def test_the_project_names_no_machine():
    tracked = subprocess.run(
        ["git", "grep", "-lIE", r"(^|[^a-z.])/work/[a-z]"],
        cwd=REPO,
        capture_output=True,
        text=True,
    )
    if tracked.returncode > 1:
        pytest.skip("not a git checkout")
    assert tracked.stdout == ""
