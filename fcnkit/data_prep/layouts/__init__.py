"""One module per public dataset: its archive's layout into image and label folders."""
