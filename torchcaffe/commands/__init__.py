"""Caffe's commands: `torchcaffe COMMAND ...` takes the flags of Caffe's tool of that name.

A command is a module with a one-line docstring, `USAGE` (its arguments that are not flags),
`FLAGS` and `run(flags, arguments)`, which returns an exit status or None. It reports through
`torchcaffe.log` to stderr, in the lines that Caffe's tools write.
"""

from __future__ import annotations

from .main import COMMANDS, main, run_command

__all__ = ["COMMANDS", "main", "run_command"]
