#!/usr/bin/env python3
"""Runs `fcnkit infer`."""

import sys

from fcnkit.commands.main import main

sys.exit(main(["infer", *sys.argv[1:]]))
