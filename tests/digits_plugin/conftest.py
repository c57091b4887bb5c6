"""Lets pytest find the modules that these tests share, as unittest does under Python 2.7."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
