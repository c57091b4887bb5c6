"""Home: all datasets and models, sorted, searched, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask

from caffeformat import InputError

from .bench import bench
from .summaries import Summary, summary

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

blueprint = flask.Blueprint("home", __name__)

ROWS = 10  # of a list, per page
_TRASHED = 50  # jobs of a page of the trash


@blueprint.get("/")
def show() -> str:
    """Show datasets and models."""
    args = flask.request.args
    words = args.get("q", "").strip()[:200]
    sort = args.get("sort", "-age")
    lists = {}
    for kind in ("model", "dataset"):
        found = bench().catalogue.find(kind, words.split(), sort)
        page = max(1, min(args.get(f"{kind}s", 1, type=int) or 1, -(-len(found) // ROWS) or 1))
        rows = [summary(*each) for each in found[(page - 1) * ROWS : page * ROWS]]
        lists[kind] = {
            "rows": rows,
            "page": page,
            "pages": -(-len(found) // ROWS),
            "of": len(found),
        }
    return flask.render_template(
        "home.html",
        lists=lists,
        words=words,
        sort=sort,
        is_empty=not bench().catalogue.count(),
        active=any(row.state.is_active for each in lists.values() for row in each["rows"]),  # type: ignore[attr-defined]
    )


@blueprint.get("/rows.json")
def rows() -> Any:
    """Return the lines of the jobs that the page shows, for it to bring them up to date."""
    found = []
    for id_ in flask.request.args.get("ids", "").split(",")[: 2 * ROWS]:
        known = bench().jobs.get(id_)
        if known is not None:
            found.append(_row(summary(*known)))
    return flask.jsonify(rows=found)


def _row(line: Summary) -> dict[str, Any]:
    return {
        "id": line.job.id,
        "html": flask.render_template("row_state.html", line=line),
        "active": line.state.is_active,
    }


@blueprint.get("/trash")
def trash() -> str:
    """Show what was deleted."""
    ids = bench().jobs.trash_ids()
    pages = -(-len(ids) // _TRASHED) or 1
    page = max(1, min(flask.request.args.get("page", 1, type=int) or 1, pages))
    jobs = bench().jobs.trash(ids[(page - 1) * _TRASHED : page * _TRASHED])
    return flask.render_template("trash.html", jobs=jobs, page=page, pages_total=pages)


@blueprint.post("/trash/empty")
def empty_trash() -> Response:
    """Remove what was deleted for good."""
    bench().jobs.empty_trash()
    flask.flash("The trash is empty.")
    return flask.redirect(flask.url_for("home.trash"))


@blueprint.post("/trash/<id_>/restore")
def restore(id_: str) -> Response:
    """Take a job out of the trash."""
    if id_ in bench().jobs.trash_ids():
        bench().jobs.restore(id_)
        flask.flash("Restored.")
    else:
        flask.flash("It is not in the trash any more.")
    return flask.redirect(flask.url_for("home.show"))


@blueprint.get("/places.json")
def places() -> Any:
    """List a folder on the server, for forms that name files there."""
    try:
        folder, entries, left_out = bench().places.listing(flask.request.args.get("under", ""))
    except InputError as error:
        return flask.jsonify(error=error.for_command_line()), 400
    lines = [entry._asdict() for entry in entries]
    return flask.jsonify(folder=folder, entries=lines, left_out=left_out)
