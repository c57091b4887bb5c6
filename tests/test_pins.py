"""Every direct dependency has one pinned version, whichever Python installs it."""

import configparser

import pytest
from places import REPO

requirements = pytest.importorskip("packaging.requirements")

PINS = [
    requirements.Requirement(line)
    for line in (REPO / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def _declared():
    """The requirements of setup.cfg, of all its extras, too."""
    config = configparser.ConfigParser()
    config.read(REPO / "setup.cfg", encoding="utf-8")
    extras = config["options.extras_require"].values()
    lists = [config["options"]["install_requires"], *extras]
    lines = "\n".join(lists).splitlines()
    return [requirements.Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.14"])
def test_each_dependency_is_pinned_once(version):
    environment = {"python_version": version, "extra": ""}
    pinned = [pin.name for pin in PINS if pin.marker is None or pin.marker.evaluate(environment)]
    assert len(pinned) == len({name.lower() for name in pinned})
    needed = {
        one.name
        for one in _declared()
        if one.name != "fcnkit" and (one.marker is None or one.marker.evaluate(environment))
    }
    assert needed <= set(pinned)
