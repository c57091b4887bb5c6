#!/usr/bin/env python3
"""Runs `fcnkit compare_models`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["compare_models", *sys.argv[1:]]))
