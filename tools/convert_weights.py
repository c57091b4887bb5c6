#!/usr/bin/env python3
"""Runs `fcnkit convert_weights`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["convert_weights", *sys.argv[1:]]))
