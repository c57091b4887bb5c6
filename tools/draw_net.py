#!/usr/bin/env python3
"""Runs `fcnkit draw_net`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["draw_net", *sys.argv[1:]]))
