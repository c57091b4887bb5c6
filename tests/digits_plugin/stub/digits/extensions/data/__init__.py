"""Stand-in for a package of DIGITS in the tests."""
