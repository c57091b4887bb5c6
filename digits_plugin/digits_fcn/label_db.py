"""Labels from the databases that DIGITS wrote: LMDB with one Caffe `Datum` per key.

A Datum is a protocol buffer message of seven fields; reading them takes a few lines and avoids
importing Caffe, whose messages do not always load beside another protobuf.
"""

from __future__ import absolute_import, division, unicode_literals

import os
import threading

import numpy as np

from . import images
from .errors import FcnError
from .text import native, shorten, to_text

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# Field numbers of `Datum` in caffe.proto.
CHANNELS, HEIGHT, WIDTH, DATA, ENCODED = 1, 2, 3, 4, 7


def parse_datum(raw):
    """Return the fields of a serialized Datum: dict of number -> int or bytes (the last one wins).

    Raises FcnError for bytes that are not such a message.
    """
    raw = bytearray(raw)
    fields, at = {}, 0
    while at < len(raw):
        key, at = _varint(raw, at)
        kind = key & 7
        if kind == VARINT:
            fields[key >> 3], at = _varint(raw, at)
            continue
        if kind == BYTES:
            size, at = _varint(raw, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise FcnError("A database entry is not a Caffe Datum (field of kind %d)." % kind)
        if at + size > len(raw):
            raise FcnError("A database entry is not a Caffe Datum (it ends too early).")
        fields[key >> 3] = bytes(raw[at : at + size])
        at += size
    return fields


def datum_array(raw, picture):
    """Return the array in a serialized Datum: H x W or H x W x 3 uint8.

    picture: whether three raw channels are B G R, as DIGITS writes features, and are to be
    returned as R G B.
    """
    fields = parse_datum(raw)
    data = fields.get(DATA, b"")
    if fields.get(ENCODED):
        return np.array(images.open_image(data, "The image in a database entry"))
    shape = tuple(fields.get(number, 0) for number in (CHANNELS, HEIGHT, WIDTH))
    if len(data) != shape[0] * shape[1] * shape[2]:
        raise FcnError(
            "A database entry has %d bytes; expected %d x %d x %d (channels, height, width)."
            % ((len(data),) + shape)
        )
    array = np.frombuffer(data, np.uint8).reshape(shape)
    if shape[0] == 1:
        return array[0]
    return (array[::-1] if picture and shape[0] == 3 else array).transpose(1, 2, 0)


def find(features_path, labels_path, key, image):
    """Return the label of sample `key` in two LMDB folders if its feature equals `image`.

    key: the database key; image: H x W x 3 or H x W uint8. Returns H x W uint8, or None if there is
    no such key or its picture differs.
    """
    raw = value(features_path, key)
    feature = None if raw is None else datum_array(raw, picture=True)
    if feature is None or not np.array_equal(feature, image):
        return None
    raw = value(labels_path, key)
    label = None if raw is None else datum_array(raw, picture=False)
    return label if label is not None and label.ndim == 2 else None


def value(path, key):
    """Return the bytes at a key of the LMDB folder `path`, None if there is no such key."""
    with _Opened(path) as db:
        return _get(db, to_text(key).encode("utf-8"))


def _get(db, key):
    """The value, by a transaction whose object is gone before the environment may be closed.

    Older bindings end what is left of a transaction when its environment is closed, and once more
    when another thread frees the object meanwhile.
    """
    with db.begin() as transaction:
        return transaction.get(key)


def entries(path):
    """Return the number of entries of the LMDB folder `path`."""
    with _Opened(path) as db:
        return db.stat()["entries"]


class _Opened(object):
    """An LMDB folder, opened once in this process however many threads and programs read it.

    A second environment on one file breaks LMDB's locks, so that newer bindings refuse it. The list
    of open ones lies in the module lmdb, where other programs in this process find it, too:
    (device, inode) of data.mdb -> (environment, number of its users).
    Raises FcnError where the folder cannot be opened.
    """

    def __init__(self, path):
        self.path = os.path.realpath(native(path))

    def __enter__(self):
        import lmdb

        self.lock, self.known = vars(lmdb).setdefault(
            "fcnkit_environments", (threading.RLock(), {})
        )
        with self.lock:
            try:
                data = os.stat(os.path.join(self.path, "data.mdb"))
                self.key = data.st_dev, data.st_ino
                db, users = self.known.get(self.key, (None, 0))
                if db is None:
                    db = lmdb.open(self.path, readonly=True, lock=False, readahead=False)
            except (lmdb.Error, EnvironmentError) as error:
                raise FcnError(
                    "The database %s cannot be opened (%s)." % (shorten(self.path), shorten(error))
                )
            self.known[self.key] = db, users + 1
        return db

    def __exit__(self, *error):
        with self.lock:
            db, users = self.known.pop(self.key)
            if users > 1:
                self.known[self.key] = db, users - 1
            else:
                db.close()


def _varint(raw, at):
    value = shift = 0
    while at < len(raw) and shift < 70:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
    raise FcnError("A database entry is not a Caffe Datum (a number does not end).")
