"""File formats of state dicts, one module per format."""
