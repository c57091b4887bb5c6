#!/usr/bin/env python3
"""Runs `fcnkit check_dataset`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["check_dataset", *sys.argv[1:]]))
