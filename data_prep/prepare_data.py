#!/usr/bin/env python3
"""Runs `fcnkit prepare_data`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["prepare_data", *sys.argv[1:]]))
