"""The server is killed at random moments: jobs go on, none is lost, each shows its true state."""

import json
import os
import random
import time
import urllib.parse
import urllib.request

import pytest
from served_workbench import serving
from tiny_segmentation import CLASSES, net_text, write_dataset

from fcnkit.training import parse_log

KILLS = int(os.environ.get("FCNKIT_KILLS", "6"))


def ask(address, path, fields=None):
    data = None if fields is None else urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(address.rstrip("/") + path, data, timeout=120) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_a_server_that_is_killed_again_and_again(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    write_dataset(str(data / "squares"), train=40)
    dice = random.Random(1)
    made = {}
    image = str(data / "squares" / "val" / "images" / "val_0.png")
    for _ in range(KILLS):
        with serving(tmp_path, data) as (address, server):
            listed = ask(address, "/index.json")
            there = {each["id"]: each for kind in listed.values() for each in kind}
            assert set(made) <= set(there), "a job was lost"
            for each in there.values():
                assert each["status"] in ("Waiting", "Running", "Done"), each
            if "dataset" not in made.values():
                fields = {"source": "squares", "class_labels": "\n".join(CLASSES)}
                id_ = ask(address, "/datasets/generic/create/images.json", fields)["id"]
                made[id_] = "dataset"
            done = [id_ for id_ in made if there.get(id_, {}).get("status") == "Done"]
            if done and "model" not in made.values():
                fields = {
                    "dataset": done[0],
                    "custom_network": net_text(),
                    "train_epochs": "40",
                    "learning_rate": "0.05",
                    "snapshot_interval": "10",
                }
                made[ask(address, "/models/images/generic.json", fields)["id"]] = "model"
            models = [id_ for id_ in made if made[id_] == "model"]
            if models and ask(address, f"/models/{models[0]}.json")["snapshots"]:
                fields = {"job_id": models[0], "image_path": image}
                ask(address, "/models/images/generic/infer_one.json", fields)
            time.sleep(dice.uniform(0, 3))
            server.kill()
            server.wait()
    with serving(tmp_path, data) as (address, _):
        for id_, kind in made.items():
            end = time.monotonic() + 300
            while ask(address, f"/jobs/{id_}/status")["status"] in ("Waiting", "Running"):
                assert time.monotonic() < end, (tmp_path / "jobs" / id_ / "log.txt").read_text()
                time.sleep(0.3)
            found = ask(address, f"/jobs/{id_}/status")
            assert found["status"] == "Done", (kind, found)
    for id_, kind in made.items():
        folder = tmp_path / "jobs" / id_
        assert "Traceback" not in (folder / "log.txt").read_text()
        if kind == "model":  # one run from the first step to the last
            rows = parse_log(folder / "run" / "train.log")
            assert int(rows[-1]["iteration"]) == 800
            assert (folder / "run" / "train.log").read_text().count("Solving") == 1
