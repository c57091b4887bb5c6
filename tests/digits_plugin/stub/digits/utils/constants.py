"""The values that extensions read."""

from __future__ import absolute_import, division, unicode_literals

COLOR_PALETTE_ATTRIBUTE = "color_palette"
TRAIN_DB = "train_db"
VAL_DB = "val_db"
TEST_DB = "test_db"
