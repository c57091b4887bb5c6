"""Checks of a dataset: its entries, their summary and a contact sheet."""
