#!/usr/bin/env python3
"""Runs `fcnkit demo`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["demo", *sys.argv[1:]]))
