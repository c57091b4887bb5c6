#!/usr/bin/env python3
"""Runs `fcnkit check_crops`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["check_crops", *sys.argv[1:]]))
