"""Makes folders and databases for tests, and reads databases back."""

import numpy as np
from voc_archive import encoded

from caffeformat import open_database, pb
from fcnkit.data_prep import Form, create_lmdb, find_splits


def datums(path):
    """The Datums of a database as a list, after a check of its keys."""
    with open_database(path) as database:
        pairs = list(database.items())
    assert [key for key, _ in pairs] == [b"%09d" % i for i in range(len(pairs))]
    return [pb.Datum.FromString(value) for _, value in pairs]


FORM = ("encoding", "label_encoding", "channels", "small", "same_shape", "white", "bands")


def build(folders, out, **options):
    """Make the databases; `options` are those of `create_lmdb` and of its `Form`."""
    train, val = find_splits(folders)
    form = Form(**{name: options.pop(name) for name in FORM if name in options})
    return create_lmdb(train, val or [], out, form=form, **options)


def make_folders(folder, images, labels, suffix="png"):
    """Folders of images and labels from arrays and bytes; returns their folder."""
    for kind, contents in (("images", images), ("labels", labels)):
        (folder / kind).mkdir(parents=True)
        for i, content in enumerate(contents):
            if not isinstance(content, bytes):
                content = encoded(np.asarray(content, np.uint8), "PNG")
            end = suffix if kind == "images" else "png"
            (folder / kind / f"{i:03d}.{end}").write_bytes(content)
    return folder


def photo(width=20, height=10, seed=0):
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)
