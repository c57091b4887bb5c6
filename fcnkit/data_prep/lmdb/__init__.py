"""Image and label folders into LMDBs, encoded and counted in parallel."""
