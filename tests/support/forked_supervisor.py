"""Supervisors of jobs that are forked rather than started, with Python code for commands.

Starting one imports the project, which takes longer than most tests of jobs.
"""

import os
import signal
import sys

from fcnkit.jobs import supervisor


class Forked:
    """What `subprocess.Popen` is to a process that was started."""

    def __init__(self, folder):
        self.pid, self._status = os.fork(), None
        if self.pid:
            return
        try:
            os.setsid()
            os.closerange(3, 256)  # locks would live on
            os.chdir(folder)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            supervisor.python_command = code
            sys.argv = ["supervisor", folder]
            supervisor.main()
        finally:
            os._exit(0)

    def poll(self):
        if self._status is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = status if found else None
        return self._status


def code(module, arguments):
    return [sys.executable, "-S", "-c", arguments[0]]
