#!/usr/bin/env python3
"""Many clients at a workbench: errors, answers per second, and the server's memory.

    benchmarks/workbench_load.py [--clients 50] [--seconds 60] [--epochs 60] [--rounds 3]

Makes a small dataset and a small model, then lets the clients ask for the home page, exploring, the
model's page and `infer_one.json` for some time, over loopback. Another model is trained, in turn
alone and beside the clients that ask for pages only, to say how much they slow it down. Exits with
1 where an answer is an error or the memory grows by more than a tenth between the middle and the
end.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from served_workbench import serving
from tiny_segmentation import CLASSES, net_text, write_dataset


def ask(address, path, fields=None):
    """Return the content of an answer; raises for an error."""
    data = None if fields is None else urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(address.rstrip("/") + path, data, timeout=300) as answer:
        return answer.read()


def wait(address, id_):
    """Wait until a job is done; return the seconds that took."""
    start = time.monotonic()
    while True:
        status = json.loads(ask(address, f"/jobs/{id_}/status"))["status"]
        if status == "Done":
            return time.monotonic() - start
        if status not in ("Waiting", "Running"):
            raise SystemExit(f"{id_}: {status}")
        time.sleep(0.2)


def train(address, dataset, epochs):
    """Start a model; return its id."""
    fields = {
        "dataset": dataset,
        "custom_network": net_text(),
        "train_epochs": epochs,
        "learning_rate": "0.05",
        "lr_policy": "fixed",
    }
    return json.loads(ask(address, "/models/images/generic.json", fields))["id"]


def memory(pid):
    """Return a process's resident memory in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000
    return 0.0


def seconds_of(pid):
    """Return the seconds of a processor that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Load:
    """Clients that ask until `end`, which returns (answers by name, errors).

    They stand for other machines, which take no time from this one's training: their process has
    the lowest priority there is, also where the kernel weighs sessions before processes.
    """

    def __init__(self, address, requests, clients):
        context = multiprocessing.get_context("fork")
        self._ended, self._found = context.Event(), context.Queue()
        arguments = (address, requests, clients, self._ended, self._found)
        self._process = context.Process(target=ask_on, args=arguments)
        self._process.start()

    def end(self):
        self._ended.set()
        found = self._found.get()
        self._process.join()
        return found


def ask_on(address, requests, clients, ended, found):
    os.setsid()
    os.nice(19)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("19")
    counts, errors = {}, []

    def client(seed):
        dice = random.Random(seed)
        while not ended.is_set():
            name, path, fields = dice.choice(requests)
            try:
                ask(address, path, fields)
                counts[name] = counts.get(name, 0) + 1
            except OSError as error:
                errors.append(f"{name}: {error}")

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.put((counts, errors))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=3, help="the best of which counts")
    parser.add_argument("--epochs", type=int, default=60, help="of the model that trains meanwhile")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        data = folder / "data"
        data.mkdir()
        write_dataset(str(data / "squares"), train=60)
        with serving(folder, data) as (address, server):
            fields = {"source": "squares", "class_labels": "\n".join(CLASSES)}
            made = ask(address, "/datasets/generic/create/images.json", fields)
            dataset = json.loads(made)["id"]
            wait(address, dataset)
            model = train(address, dataset, 2)
            wait(address, model)
            image = "squares/val/images/val_0.png"
            pages = [
                ("home", "/", None),
                ("explore", f"/datasets/{dataset}/explore", None),
                ("model", f"/models/{model}", None),
                ("live", f"/models/{model}/live.json", None),
            ]
            infer = {"job_id": model, "image_path": image}
            times = {"alone": [], "beside": []}
            taken, errors = [], []
            for _ in range(args.rounds):
                times["alone"].append(wait(address, train(address, dataset, args.epochs)))
                clients = Load(address, pages, args.clients)
                before = seconds_of(server.pid)
                seconds = wait(address, train(address, dataset, args.epochs))
                taken.append((seconds_of(server.pid) - before) / seconds)
                times["beside"].append(seconds)
                errors += clients.end()[1]
            alone, beside = (min(times[name]) for name in ("alone", "beside"))
            print(
                f"training: {alone:.1f} s alone, {beside:.1f} s beside {args.clients} clients "
                f"({beside / alone:.2f}x), of which the server took {min(taken):.0%} of a processor"
            )
            every = [*pages, ("infer_one.json", "/models/images/generic/infer_one.json", infer)]
            clients = Load(address, every, args.clients)
            time.sleep(args.seconds / 2)
            middle = memory(server.pid)
            time.sleep(args.seconds / 2)
            end = memory(server.pid)
            counts, more = clients.end()
            errors += more
    for name, count in sorted(counts.items()):
        print(f"{name:16}{count / args.seconds:8.1f} answers per second")
    print(f"memory: {middle:.0f} MB in the middle, {end:.0f} MB at the end")
    print(f"errors: {len(errors)}")
    for error in errors[:5]:
        print(f"  {error}")
    return 1 if errors or end > 1.1 * middle else 0


if __name__ == "__main__":
    sys.exit(main())
