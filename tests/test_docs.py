"""The docs: every link leads somewhere, every page is listed, generated pages are current."""

import re
import subprocess
import sys

import pytest
from places import REPO

PAGES = [
    REPO / "README.md",
    REPO / "CONTRIBUTING.md",
    REPO / "CHANGELOG.md",
    *sorted((REPO / "docs").glob("*.md")),
    *sorted((REPO / "prototxt").glob("*/README.md")),
]


def text_of(page):
    """The text of a page without its code blocks, in which brackets are no links."""
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)


def anchors_of(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPO).as_posix())
def test_every_relative_link_leads_somewhere(page):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors_of(file)):
            broken.append(target)
    assert not broken


def test_the_index_lists_every_page():
    listed = set(re.findall(r"\]\(([\w/.]+\.md)\)", text_of(REPO / "docs/index.md")))
    there = {page.name for page in (REPO / "docs").glob("*.md")} - {"index.md"}
    assert there <= listed


@pytest.mark.slow  # `make lint` checks them, too
@pytest.mark.parametrize("page", ["api", "commands", "layers"])
def test_pages_made_from_the_code_are_current(page):
    program = REPO / "docs" / f"make_{page}.py"
    done = subprocess.run([sys.executable, program, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_page_that_is_out_of_date_is_noticed(tmp_path):
    for name in ("make_commands.py", "generated.py"):
        program = (REPO / "docs" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(program, encoding="utf-8")
    (tmp_path / "commands.md").write_text("# Commands\n", encoding="utf-8")
    command = [sys.executable, tmp_path / "make_commands.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "run docs/make_commands.py" in done.stderr


def test_pictures_are_small():
    large = {
        path.name: path.stat().st_size
        for path in (REPO / "docs" / "pictures").rglob("*")
        if path.is_file() and path.stat().st_size >= 200_000
    }
    assert not large
