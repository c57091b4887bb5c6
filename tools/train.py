#!/usr/bin/env python3
"""Runs `fcnkit train`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["train", *sys.argv[1:]]))
