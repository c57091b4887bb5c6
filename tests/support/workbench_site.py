"""A workbench for tests: a client that is a script, and jobs whose commands run in this process.

Starting a process takes longer than most tests.
"""

import contextlib
import os

from fcnkit.commands import main
from fcnkit.jobs import State, records
from fcnkit.web import Extensions
from fcnkit.workbench.app import create_app
from fcnkit.workbench.bench import Bench, Settings


class Site:
    """A workbench and a client without a browser's headers, as a script is."""

    def __init__(self, folder, **settings):
        self.data = folder / "data"
        self.data.mkdir(exist_ok=True)
        self.bench = Bench(Settings(str(folder / "jobs"), [str(self.data)], **settings))
        # What is installed beside the tests is not shown, and nothing stands in for DIGITS.
        self.bench.extensions = Extensions({})
        self.jobs = self.bench.jobs
        self.app = create_app(self.bench)
        self.client = self.app.test_client(use_cookies=False)

    def get(self, address, **more):
        return self.client.get(address, base_url="http://127.0.0.1:5000", **more)

    def post(self, address, data=None, **more):
        more.setdefault("content_type", "multipart/form-data")
        return self.client.post(address, data=data, base_url="http://127.0.0.1:5000", **more)

    def take(self, id_):
        """Run a job's commands here; returns its state."""
        job, state = self.jobs.get(id_)
        folder = self.jobs.path(id_)
        before = os.getcwd()
        os.chdir(folder)
        try:
            for number in range(state.step, len(job.steps)):
                step = job.steps[number]
                with (
                    open("log.txt", "a") as log,
                    contextlib.redirect_stdout(log),
                    contextlib.redirect_stderr(log),
                ):
                    status = main.main(list(step.arguments))
                accepted = status in step.accept_on and step.has_finished(folder)
                if status in step.pause_on and step.has_finished(folder):
                    return self._end(id_, "paused", number + 1)
                if status and not accepted:
                    return self._end(id_, "error", number)
            return self._end(id_, "done", number)
        finally:
            os.chdir(before)

    def _end(self, id_, state, step):
        self.jobs.write(id_, State(state, step, records.now(), records.now()))
        return state
