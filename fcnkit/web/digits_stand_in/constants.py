"""Stand-in for `digits.utils.constants`: the values that extensions read."""

COLOR_PALETTE_ATTRIBUTE = "color_palette"
TRAIN_DB, VAL_DB, TEST_DB = "train_db", "val_db", "test_db"
