"""Replacement for the part of DIGITS that extensions import, where DIGITS is not installed.

It has the names, arguments and defaults that extensions rely on and nothing of DIGITS' jobs or
server. `install()` puts it in place of the package `digits`; only the preview's process calls it,
and it does nothing where the real DIGITS can be imported.

There are two stand-ins: the plug-in's tests have their own, `tests/digits_plugin/stub`, because
they also run under Python 2.7, as the plug-in does within DIGITS, and nothing of this package can.
"""

from __future__ import annotations

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


def install() -> bool:
    """Make `import digits` import this stand-in; returns whether it was needed."""
    if "digits" not in sys.modules and importlib.util.find_spec("digits") is not None:
        return False
    if getattr(sys.modules.get("digits"), "__stand_in__", None) is None:
        if "digits" in sys.modules:
            return False
        _put_in_place()
    return True


def _put_in_place() -> None:
    for name in _PACKAGES:
        package = types.ModuleType(name, "Stand-in for a package of DIGITS.")
        package.__path__ = []
        sys.modules[name] = package
    setattr(sys.modules["digits"], "__stand_in__", True)  # noqa: B010
    sys.modules.update(_MODULES)
    # `import digits.utils.image` is followed by `digits.utils.image.embed_image_html`.
    for name in (*_PACKAGES[1:], *_MODULES):
        parent, _, child = name.rpartition(".")
        setattr(sys.modules[parent], child, sys.modules[name])
    _old_flask_names()


def _old_flask_names() -> None:
    """Make `from flask.ext.wtf import Form` work, as extensions for DIGITS' old Flask write it."""
    # Today `flask_wtf.Form` is WTForms' own form, which knows nothing of requests.
    flask_wtf.Form = flask_wtf.FlaskForm
    if "flask.ext" not in sys.modules:
        ext = types.ModuleType("flask.ext", "Where Flask before 1.0 had its extensions.")
        ext.__path__ = []
        sys.modules["flask.ext"] = ext
        setattr(ext, "wtf", flask_wtf)  # noqa: B010
        setattr(flask, "ext", ext)  # noqa: B010
        sys.modules["flask.ext.wtf"] = flask_wtf
