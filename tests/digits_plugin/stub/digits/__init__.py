"""Stand-in for a package of DIGITS in the tests; see README.md in tests/digits_plugin."""
