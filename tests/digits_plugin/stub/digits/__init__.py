"""Stand-in for DIGITS in the plug-in's tests.

There are two: the plug-in runs within DIGITS under Python 2.7, and so do its tests and this one;
the preview's, `fcnkit/web/digits_stand_in`, is part of a package for Python 3 only, with types.
"""
