"""DIGITS extensions for semantic segmentation: a data extension and a visualization.

`digits_fcn.view.Visualization` shows class maps on DIGITS' `Test One` and `Test Many` pages,
`digits_fcn.data.DataIngestion` turns PASCAL VOC folders and archives into DIGITS datasets, and
`python -m digits_fcn` writes the same masks without a page. DIGITS finds the two classes through
the entry points in setup.py; importing this package alone imports neither Flask nor DIGITS.
"""

__version__ = "0.1.0"
