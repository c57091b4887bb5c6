"""How PyTorch's threads wait for each other; imported before PyTorch is.

By default OpenMP's threads spin while they wait. That gains microseconds on an idle machine, but
when another process wants the same cores a thread spins for one that is not running: with two
threads on two busy cores a training step took eight times as long. Sleeping costs an idle machine
next to nothing. A policy that the environment sets is kept, and so is a PyTorch that is loaded
already.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
