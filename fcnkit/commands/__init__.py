"""The `fcnkit` commands, one module per command. `main` lists them."""
