"""The page about the networks names all of them and no others."""

import re

from fcnkit import zoo


def test_the_page_lists_every_network(repo):
    text = (repo / "docs" / "networks.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    firsts = [name for row in rows for name in re.findall(r"`(\w+)`", row[1])]
    assert sorted(firsts) == zoo.networks()
    starts = [name for row in rows if len(row) == 4 for name in re.findall(r"`(\w+)`", row[2])]
    assert starts and set(starts) <= set(zoo.networks())


def test_the_pages_example_runs(repo, tmp_path, monkeypatch):
    text = (repo / "docs" / "networks.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_network").mkdir()
    exec(compile(code, "networks.md", "exec"), {})
    net = (tmp_path / "my_network" / "train_val.prototxt").read_text()
    assert 'name: "loss_aux"' in net and "num_output: 12" in net
