"""Turns image and label folders into LMDBs, encoding and counting in several processes."""
