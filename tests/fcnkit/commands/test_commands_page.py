"""docs/commands.md says what the commands' own help says."""

import subprocess
import sys

from places import REPO


def test_the_page_of_commands_is_up_to_date():
    script = REPO / "docs" / "make_commands.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
