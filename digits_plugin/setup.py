"""Installs the DIGITS extensions of this project: `pip install ./digits_plugin`.

Everything pip must know stands here and not in setup.cfg: the setuptools of the distributions that
DIGITS runs on (Ubuntu 14.04 and 16.04) read no metadata from setup.cfg.
"""

import io
import os

from setuptools import setup

HERE = os.path.dirname(os.path.abspath(__file__))


def read(*parts):
    """Text of a file beside this one."""
    with io.open(os.path.join(HERE, *parts), encoding="utf-8") as f:
        return f.read()


def version():
    """The version that digits_fcn/__init__.py states (read, not imported: its needs come later)."""
    for line in read("digits_fcn", "__init__.py").splitlines():
        if line.startswith("__version__"):
            return str(line.split('"')[1])
    raise RuntimeError("digits_fcn/__init__.py states no __version__")


setup(
    name="digits-fcn",
    version=version(),
    description="NVIDIA DIGITS extensions to load, see, check and take home segmentations",
    long_description=read("README.md"),
    packages=["digits_fcn"],
    package_data={"digits_fcn": ["templates/*"]},
    include_package_data=True,
    zip_safe=False,
    python_requires=">=2.7, !=3.0.*, !=3.1.*, !=3.2.*, !=3.3.*, !=3.4.*, !=3.5.*",
    # No versions pinned: DIGITS' own installation decides them, and pip leaves what is there alone.
    install_requires=["numpy", "Pillow", "Flask-WTF"],
    extras_require={
        # SBD's labels are MATLAB files and Test a Database reads LMDB; DIGITS brings both.
        "digits": ["scipy", "lmdb"],
    },
    entry_points={
        "digits.plugins.view": ["class=digits_fcn.view:Visualization"],
        "digits.plugins.data": ["class=digits_fcn.data:DataIngestion"],
        "console_scripts": ["digits-fcn=digits_fcn.__main__:main"],
    },
    classifiers=[
        "Framework :: Flask",
        "Programming Language :: Python :: 2.7",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
