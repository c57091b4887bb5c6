"""Lets pytest find the modules that these tests share, as unittest does under Python 2.7."""

from __future__ import absolute_import, division, unicode_literals

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
