"""FCN-32s, 16s and 8s trained one after another, resumable at any point."""
