#!/usr/bin/env python3
"""Runs `fcnkit prepare_sbd_data`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["prepare_sbd_data", *sys.argv[1:]]))
