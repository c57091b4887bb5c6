"""Checks without a Python 2.7 that the plug-in has nothing that it cannot parse.

It stands in where run_py27.sh finds no interpreter. Found: syntax newer than 2.7 (f-strings,
annotations, keyword-only arguments, `nonlocal`, `raise ... from`, `yield from`, `async`, `:=`,
matrix product, unpacking in displays and after arguments, numbers with `_`), `super()` without
arguments, and a module without the `__future__` imports that give text and division their new
meaning.
Not found: names and behaviour of the library that 2.7 lacks.
"""

from __future__ import absolute_import, division, print_function, unicode_literals

import ast
import io
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FOLDERS = ("digits_plugin", os.path.join("tests", "digits_plugin"))
FUTURE = {"absolute_import", "division", "unicode_literals"}
NEW_NODES = (
    "JoinedStr AnnAssign AsyncFunctionDef AsyncFor AsyncWith Await YieldFrom Nonlocal NamedExpr "
    "MatMult Starred Match TryStar TypeAlias"
).split()


def sources():
    """Return the paths of the Python files that must run under both."""
    for folder in FOLDERS:
        for top, children, files in os.walk(os.path.join(ROOT, folder)):
            skipped = ("node_modules", "wheels27", "build")
            children[:] = sorted(c for c in children if c not in skipped and "." not in c)
            for name in sorted(files):
                if name.endswith(".py"):
                    yield os.path.join(top, name)


def problems(text):
    """Return what Python 2.7 would not accept in this source: list of (line, words)."""
    found = []
    tree = ast.parse(text)
    imported = set()
    for node in ast.walk(tree):
        kind = type(node).__name__
        line = getattr(node, "lineno", 1)
        if kind == "Starred" and isinstance(getattr(node, "ctx", None), ast.Load):
            continue  # f(*arguments) is fine; displays and later arguments are checked below
        if kind in NEW_NODES:
            found.append((line, "%s is newer than 2.7" % kind))
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            imported.update(alias.name for alias in node.names)
        found += [(line, words) for words in _of_node(node)]
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"(?<![\w.])\d+_\d", line.split("#")[0]) and '"' not in line:
            found.append((number, "numbers with _ are newer than 2.7"))
        if any(ord(c) > 127 for c in line):
            found.append((number, "characters past ASCII need an escape or a coding line"))
    for match in re.finditer(r"[(,]\s*\*{1,2}\w[^,()]*,\s*\)", text):
        line = text.count("\n", 0, match.end()) + 1
        found.append((line, "a comma after *arguments is newer than 2.7"))
    if len(tree.body) > 2 and not imported >= FUTURE and "setup(" not in text:
        found.append((1, "from __future__ import %s is missing" % ", ".join(sorted(FUTURE))))
    return sorted(found)


def _of_node(node):
    if isinstance(node, ast.FunctionDef):
        a = node.args
        every = a.args + a.kwonlyargs + getattr(a, "posonlyargs", [])
        if a.kwonlyargs or getattr(a, "posonlyargs", []):
            yield "keyword-only and positional-only arguments are newer than 2.7"
        if node.returns or any(x.annotation for x in every):
            yield "annotations are newer than 2.7"
    if isinstance(node, ast.Raise) and node.cause:
        yield "raise ... from is newer than 2.7"
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)) and any(
        type(e).__name__ == "Starred" for e in node.elts
    ):
        yield "* in a list, tuple or set is newer than 2.7"
    if isinstance(node, ast.Dict) and None in node.keys:
        yield "** in a dict is newer than 2.7"
    if isinstance(node, ast.ClassDef) and node.keywords:
        yield "class keywords are newer than 2.7"
    if isinstance(node, ast.Call):
        if getattr(node.func, "id", "") == "super" and not node.args:
            yield "super() needs its arguments"
        stars = [type(x).__name__ == "Starred" for x in node.args]
        if any(stars[:-1]) or sum(k.arg is None for k in node.keywords) > 1:
            yield "arguments after *arguments are newer than 2.7"


def main():
    """Print each problem; the exit status is 1 if there is one."""
    status = count = 0
    for path in sources():
        count += 1
        with io.open(path, encoding="utf-8") as f:
            for line, words in problems(f.read()):
                print("%s:%d: %s" % (os.path.relpath(path, ROOT), line, words))
                status = 1
    print("static_py27.py: %d files, %s" % (count, "problems" if status else "no problem found"))
    return status


if __name__ == "__main__":
    sys.exit(main())
