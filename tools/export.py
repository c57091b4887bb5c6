#!/usr/bin/env python3
"""Runs `fcnkit export`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["export", *sys.argv[1:]]))
