#!/usr/bin/env python3
"""Runs `fcnkit score`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["score", *sys.argv[1:]]))
