"""What can be done with any job: rename, notes, abort, resume, delete, its log and its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask
import werkzeug.exceptions

from caffeformat import InputError, listed
from fcnkit.jobs import Job, State, tail

from .bench import bench
from .security import prefers_json
from .summaries import as_live, summary
from .wording import DIGITS_STATES

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

# States of jobs that can go on.
RESUMABLE = ("aborted", "error", "paused")

QUESTION = "question"  # id of the part of a job's page that asks what to do

blueprint = flask.Blueprint("job", __name__)


def job_or_404(id_: str, kind: str | None = None) -> tuple[Job, State]:
    """Return a job with its state; 404 where there is none of that kind."""
    found = bench().jobs.get(id_)
    if found is None or (kind is not None and found[0].kind not in (kind, "broken")):
        raise werkzeug.exceptions.NotFound(_why_none(id_, kind, found))
    return found


def _why_none(id_: str, kind: str | None, found: tuple[Job, State] | None) -> str:
    """Return why there is no job of that id and kind, and what may be done."""
    if found is not None:
        return f"{found[0].name} is a {found[0].kind}, not a {kind}."
    if id_ in bench().jobs.trash_ids():
        name = bench().jobs.trash([id_])[0].name
        return f"{name} was deleted. It is still in the trash, from where it can be restored."
    shown = "".join(c for c in id_[:100] if c.isprintable())
    return f"There is no {kind or 'job'} {shown}. It may have been deleted for good."


def job_page(template: str, job: Job, state: State, **more: Any) -> str:
    """Return the page of a job: `template` with its state, its summary and `more`."""
    line, now = summary(job, state), as_live(job, state)
    return flask.render_template(template, job=job, state=state, line=line, live=now, **more)


def page_of(job: Job) -> str:
    """Return the address of a job's own page."""
    return flask.url_for("dataset.show" if job.kind == "dataset" else "model.show", id_=job.id)


@blueprint.get("/jobs/<id_>")
def show(id_: str) -> Response:
    """Lead to the page of a job, as DIGITS does."""
    return flask.redirect(page_of(job_or_404(id_)[0]))


@blueprint.get("/jobs/<id_>/status")
@blueprint.get("/datasets/<id_>/status")
@blueprint.get("/models/<id_>/status")
def status(id_: str) -> Any:
    """Return a job's state in DIGITS' words, and what is wrong where something is."""
    job, state = job_or_404(id_)
    return flask.jsonify(**in_digits_words(job, state), type=job.kind, **more_words(job, state))


def in_digits_words(job: Job, state: State) -> dict[str, str]:
    """Return a job's name and its state in DIGITS' words."""
    return {"name": job.name, "status": DIGITS_STATES.get(state.state, "Error")}


def more_words(job: Job, state: State) -> dict[str, str]:
    """Return what DIGITS has no word for: what is wrong, or what a person is asked, and where."""
    if state.state == "error":
        return {"error": state.words}
    if state.state == "paused":
        return {
            "question": "The check found something, and nothing is written yet. Read the findings "
            f"at question_url; POST /jobs/{job.id}/resume writes the dataset as it is.",
            "question_url": f"{page_of(job)}#{QUESTION}",
        }
    return {}


@blueprint.get("/jobs/<id_>/live.json")
def live(id_: str) -> Any:
    """Return how far a job is, with the end of its log."""
    job, state = job_or_404(id_)
    return flask.jsonify(log=tail(bench().jobs.path(id_, "log.txt")), **as_live(job, state))


@blueprint.get("/jobs/<id_>/log.txt")
def log(id_: str) -> Any:
    """Return a job's whole log."""
    job_or_404(id_)
    return flask.send_from_directory(bench().jobs.path(id_), "log.txt", mimetype="text/plain")


@blueprint.route("/jobs/<id_>", methods=["PUT"])
@blueprint.route("/datasets/<id_>", methods=["PUT"])
@blueprint.route("/models/<id_>", methods=["PUT"])
@blueprint.post("/jobs/<id_>/change")
def change(id_: str) -> Any:
    """Rename a job, or change its notes."""
    job_or_404(id_)
    form = flask.request.form
    if "job_name" not in form and "job_notes" not in form:
        raise InputError("job_name, job_notes: expected one of them, as a form's field")
    if not form.get("job_name", "a name").strip():
        raise InputError("job_name: expected a name, found none")
    bench().jobs.change(id_, form.get("job_name"), form.get("job_notes"))
    return _done(id_, "Saved.")


@blueprint.post("/jobs/<id_>/abort")
@blueprint.post("/datasets/<id_>/abort")
@blueprint.post("/models/<id_>/abort")
def abort(id_: str) -> Any:
    """Ask a job to stop, or end it at once where it was asked already."""
    _, state = job_or_404(id_)
    if not state.is_active:
        if _is_page():
            return _done(id_, "It does not run any more.")
        raise werkzeug.exceptions.Forbidden("Job not running")
    bench().jobs.stop(id_)
    return _done(id_, "Stopping. A training run takes a snapshot first.")


@blueprint.post("/jobs/<id_>/resume")
def resume(id_: str) -> Any:
    """Let a job that stopped go on."""
    job, state = job_or_404(id_)
    if state.state not in RESUMABLE:
        if _is_page():
            return _done(id_, f"There is nothing to resume: it is {state.state}.")
        raise InputError(f"{job.name}: is {state.state}, so there is nothing to resume")
    bench().jobs.go_on(id_)
    return _done(id_, "In line.")


@blueprint.route("/jobs/<id_>", methods=["DELETE"])
@blueprint.route("/datasets/<id_>", methods=["DELETE"])
@blueprint.route("/models/<id_>", methods=["DELETE"])
@blueprint.post("/jobs/<id_>/delete")
def delete(id_: str) -> Any:
    """Move a job to the trash, unless models need it; DELETE ends one that runs, as in DIGITS."""
    job, _ = job_or_404(id_)
    users = bench().catalogue.users_of(id_) if job.kind == "dataset" else []
    if users:
        names = listed(user.name for user in users)
        trains = (
            "trains on it: delete that model" if len(users) == 1 else "train on it: delete them"
        )
        raise InputError(f"{job.name}: {names} {trains} first")
    if flask.request.method == "DELETE":
        bench().jobs.end(id_)
    bench().jobs.throw_away(id_)
    if _is_page():
        flask.flash(f"{job.name} is in the trash.")
        return flask.redirect(flask.url_for("home.show"))
    return flask.jsonify(id=id_, status="deleted")


def _is_page() -> bool:
    """Whether a page's form was sent, whose answer is a page."""
    request = flask.request
    return request.method == "POST" and "csrf_token" in request.form and not prefers_json()


def _done(id_: str, words: str) -> Any:
    job, state = job_or_404(id_)
    if not _is_page():
        return flask.jsonify(id=id_, **in_digits_words(job, state))
    flask.flash(words)
    to = flask.request.form.get("to", "")
    return flask.redirect(flask.url_for("home.show") if to == "home" else page_of(job))
