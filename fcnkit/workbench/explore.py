"""Explore: a dataset page by page, with its masks, by class and by finding."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import flask
import numpy as np
import werkzeug.exceptions

from .dataset_pages import facts_of, open_dataset
from .datasets import share_of
from .job_pages import job_or_404
from .pictures import KINDS, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fcnkit.data_prep import ImageRow

    from .datasets import OpenDataset

blueprint = flask.Blueprint("explore", __name__, url_prefix="/datasets")

PER_PAGE = 24
_MOST_PER_PAGE = 100
SORTS = {
    "order": "as stored",
    "share": "most of the class first",
    "-share": "least of the class first",
    "finding": "findings first",
}
MAX_INDEX = 255  # of a class
_SIDE = 320  # pixels of a small picture
_LOOKS = 1  # to be counted up when pictures are made in another way: browsers keep them


class Shown(NamedTuple):
    """One picture of a page."""

    number: int
    id: str
    row: ImageRow | None
    share: float | None  # of the class that is filtered by


@blueprint.get("/generic/explore")
def digits_address() -> Any:
    """Lead from DIGITS' address to the page."""
    args = flask.request.args
    split = args.get("db", "train_db").split("/")[0].partition("_db")[0]
    job, _ = job_or_404(args.get("job_id", ""), "dataset")
    page = (args.get("page", 0, type=int) or 0) + 1  # DIGITS counts from 0
    size = args.get("size", PER_PAGE, type=int)
    return flask.redirect(
        flask.url_for("explore.show", id_=job.id, split=split, page=page, size=size)
    )


@blueprint.get("/<id_>/explore")
def show(id_: str) -> Any:
    """Show a page of a dataset's images."""
    job, _ = job_or_404(id_, "dataset")
    opened = open_dataset(job)
    args = flask.request.args
    split = args.get("split", opened.splits[0] if opened.splits else "train")
    if split not in opened.splits:
        raise werkzeug.exceptions.NotFound(f"There is no part {split!r} in this dataset.")
    wanted = args.get("class", type=int)
    sort = args.get("sort", "order")
    size = max(1, min(args.get("size", PER_PAGE, type=int) or PER_PAGE, _MOST_PER_PAGE))
    order = _order(opened, split, wanted, sort if sort in SORTS else "order")
    pages = -(-len(order) // size) or 1
    page = max(1, min(args.get("page", 1, type=int) or 1, pages))
    rows, ids = opened.rows(split), opened.ids(split)
    shown = [
        Shown(number, ids[number], rows[number], share_of(rows[number], wanted))
        for number in order[(page - 1) * size : page * size]
    ]
    return flask.render_template(
        "explore.html",
        job=job,
        opened=opened,
        facts=facts_of(job, opened),
        split=split,
        wanted=wanted,
        sort=sort,
        sorts=SORTS,
        page=page,
        pages_total=pages,
        size=size,
        count=len(order),
        shown=shown,
        palette=opened.palette,
    )


def _order(opened: OpenDataset, split: str, wanted: int | None, sort: str) -> Sequence[int]:
    """Return the numbers of the entries to show, in order."""
    count = len(opened.ids(split))
    if wanted is None and sort in ("order", "share", "-share"):
        return range(count)
    if wanted is not None and not 0 <= wanted <= MAX_INDEX:
        return []
    key = (split, wanted, sort)
    if key in opened.orders:
        return opened.orders[key]
    numbers = np.arange(count)
    if wanted is not None:
        shares = opened.shares(split, wanted)
        numbers = np.flatnonzero(shares > 0)
        if sort in ("share", "-share"):
            sign = 1 if sort == "-share" else -1
            numbers = numbers[np.argsort(sign * shares[numbers], kind="stable")]
    if sort == "finding":
        numbers = numbers[np.argsort(opened.is_fine(split)[numbers], kind="stable")]
    if len(opened.orders) >= 64:
        opened.orders.clear()
    opened.orders[key] = numbers.tolist()
    return opened.orders[key]


@blueprint.get("/<id_>/entries/<split>/<int:number>")
def entry(id_: str, split: str, number: int) -> Any:
    """Show one image large, with its mask and the class under the pointer."""
    job, _ = job_or_404(id_, "dataset")
    opened = open_dataset(job)
    if split not in opened.splits:
        raise werkzeug.exceptions.NotFound(f"There is no part {split!r} in this dataset.")
    ids = opened.ids(split)
    if not 0 <= number < len(ids):
        raise werkzeug.exceptions.NotFound(f"There is no image {number} in {split}.")
    names = opened.names or [row["name"] for row in facts_of(job, opened).classes]
    row = opened.rows(split)[number]
    return flask.render_template(
        "entry.html",
        job=job,
        split=split,
        number=number,
        count=len(ids),
        name=ids[number],
        row=row,
        names=names,
        palette=opened.palette,
    )


@blueprint.get("/<id_>/pictures/<split>/<int:number>/<kind>")
def show_picture(id_: str, split: str, number: int, kind: str) -> Any:
    """Return a picture of one entry: image, mask, overlay or indices; `side` limits its size."""
    job, _ = job_or_404(id_, "dataset")
    if kind not in KINDS:
        raise werkzeug.exceptions.NotFound()
    opened = open_dataset(job)
    if split not in opened.splits or number >= len(opened.ids(split)):
        raise werkzeug.exceptions.NotFound()
    side = flask.request.args.get("side", type=int)
    side = side and max(16, min(side, 4096))
    tag = _digest(repr((opened.mark, split, number, kind, side, _LOOKS)).encode())
    if flask.request.if_none_match.contains(tag):
        return _kept(flask.Response(status=304), tag)  # without making the picture
    image, mask = opened.pair(split, number)
    return picture_response(*picture(kind, image, mask, opened.palette, side), tag)


def picture_response(content: bytes, mime: str, tag: str | None = None) -> Any:
    """Return a picture that browsers may keep as long as `tag`, or its content, is the same."""
    response = _kept(flask.Response(content, mimetype=mime), tag or _digest(content))
    return response.make_conditional(flask.request)


def _kept(response: flask.Response, tag: str) -> flask.Response:
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(tag)
    return response


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def small() -> int:
    """Return the side of small pictures, for templates."""
    return _SIDE


blueprint.add_app_template_global(small, "small_side")
