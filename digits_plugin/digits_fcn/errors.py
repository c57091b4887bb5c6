"""The only exception of this package: its message is for the person looking at the page."""

from __future__ import absolute_import, division, unicode_literals

import sys


class FcnError(ValueError):
    """A message that says what was found, what was expected and what to do, in that order.

    It is a ValueError, so that DIGITS' job log and form pages show it as they show their own.
    `words` holds the text; class and file names in it may be any Unicode, which Python 2.7's
    `str()` of an exception could not return. `field` names the form field that can put it right,
    where one can.
    """

    def __init__(self, words, field=None):
        super(FcnError, self).__init__(words)
        self.words = words
        self.field = field

    def __str__(self):
        if sys.version_info[0] == 2 and not isinstance(self.words, str):
            return self.words.encode("utf-8")
        return self.words

    def __unicode__(self):
        return self.words
