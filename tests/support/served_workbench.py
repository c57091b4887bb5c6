"""`fcnkit serve` in a process of its own, for tests that go through the network."""

import contextlib
import signal
import subprocess
import sys
import time
import urllib.request


@contextlib.contextmanager
def serving(folder, data, *options):
    """Yield (address, process) of a workbench whose jobs are in `folder`/jobs."""
    command = [sys.executable, "-m", "fcnkit", "serve", "--port", "0", "--data-root", str(data)]
    path = folder / "serve.log"
    with open(path, "w") as log:
        server = subprocess.Popen(
            [*command, "--jobs", str(folder / "jobs"), *options], stdout=log, stderr=log
        )
        try:
            end = time.monotonic() + 120
            while "workbench at " not in path.read_text():
                assert server.poll() is None and time.monotonic() < end, path.read_text()
                time.sleep(0.1)
            address = path.read_text().split("workbench at ")[1].split(",")[0]
            urllib.request.urlopen(address + "login").close()
            yield address, server
        finally:
            if server.poll() is None:
                server.send_signal(signal.SIGTERM)
                server.wait(60)
