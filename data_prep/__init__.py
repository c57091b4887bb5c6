"""Archives into folders, folders into LMDBs."""
