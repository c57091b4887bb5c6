#!/usr/bin/env python3
"""Runs `fcnkit train_stages`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["train_stages", *sys.argv[1:]]))
