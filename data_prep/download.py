#!/usr/bin/env python3
"""Runs `fcnkit download`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["download", *sys.argv[1:]]))
