#!/usr/bin/env python3
"""Runs `fcnkit edit_weights`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["edit_weights", *sys.argv[1:]]))
