#!/usr/bin/env python3
"""Runs `fcnkit net_surgery`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["net_surgery", *sys.argv[1:]]))
