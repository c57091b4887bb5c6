"""Install the DIGITS extensions of this project: `pip install ./digits_plugin`.

All metadata is here and not in setup.cfg, because the setuptools of the distributions that DIGITS
runs on (Ubuntu 14.04 and 16.04) do not read it from there.
"""

import io
import os

from setuptools import setup

HERE = os.path.dirname(os.path.abspath(__file__))


def read(*parts):
    """Return the text of a file beside this one."""
    with io.open(os.path.join(HERE, *parts), encoding="utf-8") as f:
        return f.read()


def version():
    """Return the version in digits_fcn/__init__.py, read as text: imports may not work yet."""
    for line in read("digits_fcn", "__init__.py").splitlines():
        if line.startswith("__version__"):
            return str(line.split('"')[1])
    raise RuntimeError("digits_fcn/__init__.py has no __version__")


setup(
    name="digits-fcn",
    version=version(),
    description="NVIDIA DIGITS extensions to load, view, check and download segmentations",
    long_description=read("README.md"),
    packages=["digits_fcn"],
    package_data={"digits_fcn": ["templates/*"]},
    include_package_data=True,
    zip_safe=False,
    python_requires=">=2.7, !=3.0.*, !=3.1.*, !=3.2.*, !=3.3.*, !=3.4.*, !=3.5.*",
    # Versions are not pinned: DIGITS' own installation decides them, and pip keeps what it finds.
    install_requires=["numpy", "Pillow", "Flask-WTF"],
    extras_require={
        # SBD's labels are MATLAB files and Test a Database reads LMDB; DIGITS has both packages.
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
