"""The part of DIGITS that extensions import, for a process in which DIGITS is not installed.

It has the names, arguments and defaults that extensions rely on and nothing of DIGITS' jobs or
server. `install()` puts it in place of the package `digits`; it is called by the preview's process
only, and does nothing where the real DIGITS can be imported.
"""

import importlib.util
import sys
import types

import flask
import flask_wtf

from . import constants, data_interface, errors, forms, image, utils, view_interface

_MODULES = {
    "digits.utils": utils,
    "digits.utils.constants": constants,
    "digits.utils.errors": errors,
    "digits.utils.forms": forms,
    "digits.utils.image": image,
    "digits.extensions.data.interface": data_interface,
    "digits.extensions.view.interface": view_interface,
}
_PACKAGES = ("digits", "digits.extensions", "digits.extensions.data", "digits.extensions.view")


def install():
    """Make `import digits` give this stand-in; returns whether it was needed."""
    if "digits" not in sys.modules and importlib.util.find_spec("digits") is not None:
        return False
    if getattr(sys.modules.get("digits"), "__stand_in__", None) is None:
        if "digits" in sys.modules:
            return False
        _put_in_place()
    return True


def _put_in_place():
    for name in _PACKAGES:
        package = types.ModuleType(name, "Stand-in for a package of DIGITS.")
        package.__path__ = []
        sys.modules[name] = package
    sys.modules["digits"].__stand_in__ = True
    sys.modules.update(_MODULES)
    # `import digits.utils.image` is followed by `digits.utils.image.embed_image_html`.
    for name in (*_PACKAGES[1:], *_MODULES):
        parent, _, child = name.rpartition(".")
        setattr(sys.modules[parent], child, sys.modules[name])
    _old_flask_names()


def _old_flask_names():
    """`from flask.ext.wtf import Form`, as extensions for DIGITS' old Flask say it."""
    # Today that name is WTForms' own form, which knows nothing of requests.
    flask_wtf.Form = flask_wtf.FlaskForm
    if "flask.ext" not in sys.modules:
        ext = types.ModuleType("flask.ext", "Where Flask before 1.0 had its extensions.")
        ext.__path__ = []
        ext.wtf = flask_wtf
        flask.ext = sys.modules["flask.ext"] = ext
        sys.modules["flask.ext.wtf"] = flask_wtf
