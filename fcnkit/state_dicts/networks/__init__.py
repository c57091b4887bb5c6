"""Networks behind state dicts: families, naming and the conversion."""
