"""Names of the tested images, from the request that DIGITS is answering.

DIGITS hands a visualization the number of an image in its list, or a key of its database, but
never a name. The request that the page sent does have names: the path or upload of `Test One`, the
list of `Test Many`, and the images picked in our inference form.
"""

from __future__ import absolute_import, division, unicode_literals

import io
import logging
import os
import re
import unicodedata

from . import contract, label_db
from .errors import FcnError
from .images import orientation
from .text import MAX_TEXT, decode, native, to_text

logger = logging.getLogger(__name__)

# Both DIGITS' pages and its JSON routes end in one of these. The page sends all its fields with
# every button, so that only the route tells which of them count.
ROUTE = re.compile(r"/infer_(one|many|db|extension)\b")
# As DIGITS reads a line of an image list: a number at its end is a class, not a part of the path.
LABELLED = re.compile(r"(.*\S)\s+\d+$")


class Tested(object):
    """The images of one page.

    paths: the name or path of each image in DIGITS' order, as far as the request tells; count: how
    many images the page shows, None where that is unknown; upload: the stream of the only image.
    """

    def __init__(self, paths=(), count=None, upload=None):
        self.upload = upload
        self.paths = [to_text(path) for path in paths]
        self.count = len(self.paths) or None if count is None else count

    def path(self, input_id):
        """Return the path or name of the image that DIGITS calls `input_id`, None if unknown."""
        number = number_of(input_id)
        if number is None:
            return to_text(input_id)
        return self.paths[number] if number < len(self.paths) else None

    def shown(self, input_id):
        """Return what the page calls the image: its file name, with folders where they differ."""
        path = self.path(input_id)
        if path not in self.paths:
            return to_text(input_id)
        name = base_name(path)
        same = {other for other in self.paths if base_name(other) == name}
        return path if len(same) > 1 else name

    def is_turned(self, input_id):
        """Return whether the image is stored in another orientation than viewers show it in.

        DIGITS tests images as they are stored.
        """
        from PIL import Image

        path = self.path(input_id)
        if path is None or (self.upload is None and not os.path.isfile(native(path))):
            return False
        try:
            if self.upload is None:
                with io.open(native(path), "rb") as f:
                    return orientation(Image.open(f)) != 1
            self.upload.seek(0)
            return orientation(Image.open(self.upload)) != 1
        except Exception:  # not an image, which DIGITS says itself
            return False

    def sharing(self, path):
        """Return the paths of all tested images that have the same stem as `path`."""
        return sorted({p for p in self.paths + [path] if stem(p) == stem(path)})


def number_of(input_id):
    """Return the number in an id of DIGITS (a place in a list or a database key), or None."""
    text = to_text(input_id)
    return int(text) if re.match(r"[0-9]{1,18}$", text) else None


def base_name(path):
    """Return the last part of a path or URL."""
    path = to_text(path)
    if re.match(r"\w+://", path):
        path = re.split("[?#]", path)[0]
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def stem(path):
    """Return the file name without its ending, in one form of Unicode."""
    return unicodedata.normalize("NFC", os.path.splitext(base_name(path))[0])


def from_request(dataset=None):
    """Return the Tested of the request that is being answered; one without names elsewhere.

    dataset: DIGITS' dataset job, which our inference form takes its images from.
    """
    try:
        import flask

        if flask.has_request_context():
            return _of_request(flask.request, dataset)
    except Exception:  # a request of another kind costs the names, never the page
        logger.exception("The names of the tested images are not known")
    return Tested()


def _of_request(request, dataset):
    found = ROUTE.search(request.path)
    upload, listed = request.files.get("image_file"), request.files.get("image_list")
    one = request.form.get("image_path")
    route = found.group(1) if found else "one" if one or upload else "many" if listed else None
    if route == "one" and one:
        return Tested([one])
    if route == "one" and upload:
        return Tested([upload.filename], upload=upload.stream)
    if route == "many" and listed:
        return Tested(_listed(listed.stream, request.form))
    if route == "db":
        return Tested(count=_entries(request.form.get("db_path")))
    if route == "extension":
        return _picked(request.form, dataset)
    return Tested()


def _listed(stream, form):
    place = stream.tell()
    stream.seek(0)
    raw = stream.read(MAX_TEXT)
    stream.seek(place)
    folder = form.get("image_folder", "").strip()
    count = form.get("num_test_images", "").strip()
    count = int(count) if count else None
    paths = []
    for line in decode(raw).split("\n"):
        line = line.strip()
        if not line:
            continue
        match = LABELLED.match(line)
        path = match.group(1) if match else line
        if folder and not path.startswith("/") and "://" not in path:
            path = folder.rstrip("/") + "/" + path
        paths.append(path)
        if count is not None and len(paths) >= count:
            break
    return paths


def _entries(path):
    """Return the number of entries of the LMDB at `path`, None if it cannot be opened."""
    try:
        return label_db.entries(path)
    except (ImportError, FcnError):
        return None


def _picked(form, dataset):
    from .data import DataIngestion

    userdata = getattr(dataset, "extension_userdata", None) or {}
    chosen = form.get("data_extension_id", DataIngestion.get_id())
    if chosen != DataIngestion.get_id() or contract.VAL_NAMES not in userdata:
        return Tested()
    extension = DataIngestion(**dict(userdata, is_inference_db=True))
    count = int(form.get("pick_count", "").strip() or 1)
    return Tested(form.getlist("pick") or extension.first(count, contract.network_size()))
