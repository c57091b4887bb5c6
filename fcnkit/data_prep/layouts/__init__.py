"""One module per public dataset: turns its archives into image and label folders."""
