"""Stand-in for digits.utils in the tests."""

from __future__ import absolute_import, division, unicode_literals

from . import constants, errors, image  # noqa: F401
