#!/usr/bin/env python3
"""Runs `fcnkit preview`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["preview", *sys.argv[1:]]))
