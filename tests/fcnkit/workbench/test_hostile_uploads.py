"""Archives that are made to harm, uploaded through the page: refused in words, nothing outside."""

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

NAMES = "background\nred\ngreen\n"


def png(value=0, size=(8, 8)):
    buffer = io.BytesIO()
    Image.fromarray(np.full(size, value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def huge_png(side=60_000):
    """A PNG of a few hundred bytes that claims billions of pixels."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def entry(name, kind=tarfile.REGTYPE, target="", size=0):
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.size = kind, target, size
    return found


def tar(*entries, good=False):
    """A tar archive of (TarInfo, content), with one good pair before them if asked."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        parts = [
            (entry(f"{kind}/good.png", size=len(png())), png()) for kind in ("images", "labels")
        ]
        for info, content in [*(parts if good else []), *entries]:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zipped(*entries, **settings):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, **settings) as archive:
        for info, content in entries:
            archive.writestr(info, content)
    return buffer.getvalue()


def link_in_zip(name, target):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target


def pair_of(start):
    return [(f"{start}{kind}/a.png", png(1)) for kind in ("images", "labels")]


def pairs_at(place):
    """Entries of a pair whose names lead to `place`."""
    return [
        (entry(f"{place}/{kind}/a.png", size=len(png(1))), png(1)) for kind in ("images", "labels")
    ]


ARCHIVES = {
    "above.tar": lambda out: tar(*pairs_at("../../../evil")),
    "above and good.tar": lambda out: tar(*pairs_at("../../../evil"), good=True),
    "absolute.tar": lambda out: tar(*pairs_at(out)),
    "links.tar": lambda out: tar(
        (entry("images/a.png", tarfile.SYMTYPE, f"{out}/secret.png"), b""),
        (entry("labels/a.png", tarfile.SYMTYPE, f"{out}/secret.png"), b""),
    ),
    "hard links.tar": lambda out: tar(
        (entry("images/a.png", tarfile.LNKTYPE, f"{out}/secret.png"), b""),
        (entry("labels/a.png", tarfile.LNKTYPE, "../../secret.png"), b""),
    ),
    "linked folder.tar": lambda out: tar(
        (entry("images", tarfile.SYMTYPE, out), b""), (entry("labels", tarfile.SYMTYPE, out), b""),
        *pairs_at("."),
    ),
    "devices.tar": lambda out: tar(
        (entry("images/a.png", tarfile.CHRTYPE), b""), (entry("labels/a.png", tarfile.BLKTYPE), b"")
    ),
    "pipes.tar": lambda out: tar(
        (entry("images/a.png", tarfile.FIFOTYPE), b""),
        (entry("labels/a.png", tarfile.FIFOTYPE), b""),
    ),
    "claims.tar": lambda out: entry("images/a.png", size=1 << 40).tobuf() + b"x" * 512,
    "bomb.tar.gz": lambda out: gzip.compress(b"\0" * (16 << 20)),
    "half.tar": lambda out: tar(*pairs_at("x"))[:1500],
    "none.tar": lambda out: b"\x7fELF" + bytes(range(256)) * 8,
    "empty.tar": lambda out: b"",
    "empty.zip": lambda out: zipped(),
    "above.zip": lambda out: zipped(*pair_of("../../../evil/")),
    "absolute.zip": lambda out: zipped(*pair_of(f"{out}/")),
    "backslashes.zip": lambda out: zipped(*pair_of("..\\..\\")),
    "links.zip": lambda out: zipped(
        link_in_zip("images/a.png", f"{out}/secret.png"), link_in_zip("labels/a.png", "/dev/zero")
    ),
    "bomb.zip": lambda out: zipped(
        ("images/a.png", b"\0" * (300 << 20)), ("labels/a.png", png()), compresslevel=1
    ),
    "pixels.zip": lambda out: zipped(("images/a.png", huge_png()), ("labels/a.png", huge_png())),
    "label.zip": lambda out: zipped(("images/a.png", png()), ("labels/a.png", huge_png())),
    "deep.json": lambda out: b'{"images":' + b"[" * 200_000,
    "digits.json": lambda out: b'{"images": [{"id": ' + b"9" * 100_000 + b"}]}",
}  # fmt: skip


def everything(folder):
    """{path: size} of all that lies in a folder."""
    return {
        os.path.join(place, name): os.lstat(os.path.join(place, name)).st_size
        for place, folders, files in os.walk(folder)
        for name in [*folders, *files]
    }


QUICK = {
    "above.tar",
    "links.tar",
    "devices.tar",
    "bomb.tar.gz",
    "above.zip",
    "links.zip",
    "deep.json",
}
CASES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ARCHIVES]


@pytest.mark.quick_cases(8)
@pytest.mark.parametrize("name", CASES)
def test_the_job_fails_in_words_and_leaves_nothing_outside(site, tmp_path, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(png(2))
    content = ARCHIVES[name](str(outside))
    before = everything(tmp_path)
    sent = {
        "source_file": (io.BytesIO(content), name), "class_labels": NAMES,
        "dsopts_num_threads": "1", "accept_findings": "y",
    }  # fmt: skip
    answer = site.post("/datasets/generic/create/images.json", sent)
    if answer.status_code != 200:
        assert answer.status_code == 400 and answer.get_json()["errors"], name
        id_ = None
    else:
        id_ = answer.get_json()["id"]
        state = site.take(id_)
        with open(site.jobs.path(id_, "log.txt")) as file:
            log = file.read()
        assert "Traceback" not in log, log
        if name == "above and good.tar":
            # What leads elsewhere is no part of the archive; the rest is.
            assert state in ("done", "error")
        else:
            assert state == "error" and "error: " in log, log
        for page in (f"/datasets/{id_}", f"/jobs/{id_}/live.json", "/"):
            assert site.get(page).status_code == 200
    own = site.jobs.path(id_) if id_ else site.jobs.folder
    changed = {
        path for path, size in everything(tmp_path).items()
        if before.get(path) != size and not path.startswith(own)
    } - {str(tmp_path / "jobs")}  # fmt: skip
    assert not changed
    assert sum(size for size in everything(own).values()) < len(content) + (1 << 20)
    for path in everything(own):
        assert not os.path.islink(path) and "secret" not in path
        if path.endswith("a.png"):
            with open(path, "rb") as file:
                assert file.read() != png(2)
