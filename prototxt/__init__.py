"""Networks as text, and the specs that write them."""
