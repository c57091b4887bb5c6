"""Automatic surgery: any classifier into an FCN."""
