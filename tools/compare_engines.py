#!/usr/bin/env python3
"""Runs `fcnkit compare_engines`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["compare_engines", *sys.argv[1:]]))
