#!/usr/bin/env python3
"""Runs `fcnkit create_lmdb`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["create_lmdb", *sys.argv[1:]]))
